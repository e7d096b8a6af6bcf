"""The tables of what analyses found in models: a line for each place, a column for each arm."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from nmt_ablation.report.table import NOTHING, Column, Entry, Header, Table, described, number
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import AnalysisRow, Finding

Line = tuple[int, str]
"""A size in pairs, and a place in models."""
Values = dict[Line, dict[str, list[Finding]]]
"""The findings of all seeds by arm, for each line."""


def analyses(results: Results, across: int | None = None) -> Iterator[Table]:
    """Yield a table for each quantity that analyses found.

    Args:
        across: the most arms of a table, if there is not room for all.
    """
    for name, analysis in results.analyses.items():
        for measure, found in by_measure(results, name).items():
            arms = [arm for arm in results.arms if any(arm in of for of in found.values())]
            for start in range(0, len(arms), across or len(arms)):
                some = arms[start : start + (across or len(arms))]
                yield _table(analysis, measure, found, some)


def by_measure(results: Results, name: str) -> dict[str, Values]:
    """Return what an analysis found, by quantity. A quantity between two places counts where both
    are the same."""
    found: dict[str, Values] = {}
    for row in results.cells:
        for it in row.findings.get(name, ()):
            if it.other in ("", it.place):
                line = found.setdefault(it.measure, {}).setdefault((row.pairs, it.place), {})
                line.setdefault(row.arm, []).append(it)
    return found


def _table(analysis: AnalysisRow, measure: str, found: Values, arms: Sequence[str]) -> Table:
    def of_arm(arm: str) -> Column[Line]:
        def entry(line: Line) -> Entry:
            if arm not in found[line]:
                return Entry(NOTHING)
            mean = fmean(it.value for it in found[line][arm])
            text = f"{mean:.{analysis.decimals}f}"
            return Entry(text, _interval(found[line][arm], analysis.decimals), value=mean)

        return Column(Header(arm, terminal="number"), entry)

    columns: list[Column[Line]] = [
        Column(Header("pairs"), lambda line: number(line[0])),
        Column(Header("of", left=True), lambda line: Entry(line[1])),
        *map(of_arm, arms),
    ]
    most = max(len(values) for of in found.values() for values in of.values())
    seeds = [f"Means over up to {most} seeds."] if most > 1 else []
    notes = [analysis.shows, analysis.hides, *seeds]
    if any(it.interval for of in found.values() for them in of.values() for it in them):
        notes.append("Intervals (95%) are for other test sentences; of several seeds, their mean.")
    # Sorting keeps the order of places.
    lines = sorted(found, key=lambda line: line[0])
    return described(f"{analysis.title}: {measure}", columns, lines, notes)


def _interval(findings: Sequence[Finding], decimals: int) -> str:
    """Return the mean interval of some seeds, if they have intervals."""
    ends = [it.interval for it in findings if it.interval]
    if not ends:
        return ""
    low, high = (fmean(of) for of in zip(*ends, strict=True))
    return f"({low:.{decimals}f} to {high:.{decimals}f})"
