"""The report as one HTML file that opens offline: the verdict first, then its evidence."""

import difflib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from nmt_ablation.report import across, curves, data_tables, tables
from nmt_ablation.report.chart import STYLES, Chart, Forest, ForestRow, Point, Series, shape
from nmt_ablation.report.curves import CellPoint, Curve
from nmt_ablation.report.sentences import sentences
from nmt_ablation.report.table import Table
from nmt_ablation.results.across import Pooled
from nmt_ablation.results.cost import by_size
from nmt_ablation.results.results import Results, arms_of
from nmt_ablation.results.rows import CellRow, Example
from nmt_ablation.scoring.metric import Measure

BESIDE = 8
"""The shift from one curve to the next, in the picture's units, so that points don't hide each
other."""


@dataclass(frozen=True)
class Word:
    """A word of a translation."""

    text: str
    differs: bool
    """True if the reference lacks the word there."""


@dataclass(frozen=True)
class Section:
    """One experiment of the page."""

    results: Results
    sentences: Sequence[str]
    """The verdict, what it rests on, then sentences about each curve."""
    verdicts: Table
    charts: Sequence[Chart]
    forest: Forest | None
    tables: Sequence[Table]
    costs: Sequence[Chart]
    """Gains against what they cost, a chart for each size."""
    trainings: Sequence[Chart]
    examples: Sequence[tuple[Example, dict[str, list[Word]]]]
    """Examples with the words of each arm's translation."""
    data: Table
    signatures: Sequence[tuple[str, str]]
    """Labels and signatures of the metrics."""


@dataclass(frozen=True)
class Together:
    """The part of the page that is about all experiments."""

    sentences: Sequence[str]
    table: Table
    forest: Forest


def page(
    experiments: Sequence[Results],
    command: str,
    found: Sequence[Pooled] = (),
    inside: bytes = b"",
) -> str:
    """Return the whole page.

    Args:
        command: the command that draws it.
        found: the comparisons that the experiments share.
        inside: the figure of what analyses found, as SVG; empty if none was made.
    """
    # All values are escaped, as the text of a corpus may contain HTML.
    environment = Environment(
        loader=PackageLoader("nmt_ablation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    arms = arms_of(experiments)
    drawn = curves.of_all(experiments)
    return environment.get_template("page.html.j2").render(
        together=_together(found, experiments[0], arms) if found else None,
        sections=[_section(results, arms, drawn) for results in experiments],
        arms=arms,
        command=command,
        styles=STYLES,
        shape=shape,
        inside=b64encode(inside).decode(),
    )


def _together(found: Sequence[Pooled], first: Results, arms: Sequence[str]) -> Together:
    measure, rows = first.measure, []
    for at, line in enumerate(across.lines(found)):
        ends = line.gain.interval
        value, low, high = (f"{it:+.{measure.decimals}f}" for it in (line.gain.mean, *ends))
        tip = f"{line.label}: {value} {measure.label} ({low} to {high})"
        middle = Point(line.gain.mean, at, tip, hollow=not line.of_all)
        rows.append(ForestRow(line.label, line.arm, arms.index(line.arm), middle, *ends, ()))
    title = "Gains with corrected 95% intervals: of each experiment, and below of the mean"
    forest = Forest(title, f"difference in {measure.label}", rows)
    return Together(across.sentences(found), across.table(found, measure), forest)


def _section(results: Results, arms: Sequence[str], drawn: Sequence[str]) -> Section:
    first = results.cells[0]
    return Section(
        results,
        sentences(results),
        tables.verdicts(results),
        [_scores(results, arms, drawn), _gains(results, arms, drawn)],
        _forest(results, arms) if results.listed else None,
        tables.evidence(results),
        list(_costs(results, arms)),
        list(_trainings(results.cells, arms)),
        [
            (
                example,
                {arm: _words(it, example.reference) for arm, it in example.hypotheses.items()},
            )
            for example in results.examples
        ],
        data_tables.corpora(results),
        [(it.label, first.scores[name].signature) for name, it in results.pooled.items()],
    )


def _scores(results: Results, arms: Sequence[str], drawn: Sequence[str]) -> Chart:
    label = results.measure.label
    series = [_series(it, arms, results.measure) for it in curves.scores(results, drawn)]
    labels = f"{label} against corpus size", "sentence pairs for training", label
    levels = [
        Point(0, value, f"{name} as it is: {value:.{results.measure.decimals}f}")
        for name, value in curves.levels(results).items()
    ]
    from_zero = results.measure.lowest == 0
    return Chart(*labels, series, log_x=True, from_zero=from_zero, levels=levels)


def _gains(results: Results, arms: Sequence[str], drawn: Sequence[str]) -> Chart:
    label = results.measure.label
    series = [_series(it, arms, results.measure, "+") for it in curves.gains(results, drawn)]
    labels = (
        f"Gain over {results.baseline}",
        "sentence pairs for training",
        f"difference in {label}",
    )
    return Chart(*labels, series, log_x=True, from_zero=True)


def _series(curve: Curve, arms: Sequence[str], measure: Measure, sign: str = "") -> Series:
    return Series(
        curve.arm,
        arms.index(curve.arm),
        [[(mean.pairs, mean.value) for mean in run] for run in curve.runs],
        [[(mean.pairs, mean.low, mean.high) for mean in run] for run in curve.runs],
        [_point(point, point.pairs, point.value, measure, sign) for point in curve.points],
        curve.fit,
        BESIDE * curve.beside,
    )


def _forest(results: Results, arms: Sequence[str]) -> Forest:
    """Return the gains that curves can't show."""
    measure, rows = results.measure, []
    for at, one in enumerate(curves.listed(results)):
        points = [_point(point, point.value, at, measure, "+") for point in one.points]
        label, mean = f"{one.arm}, {one.pairs:,} pairs", one.mean
        value, low, high = (
            f"{it:+.{measure.decimals}f}" for it in (mean.value, mean.low, mean.high)
        )
        middle = Point(mean.value, at, f"{label}: {value} {measure.label} ({low} to {high})")
        style = arms.index(one.arm)
        rows.append(ForestRow(label, one.arm, style, middle, mean.low, mean.high, points))
    title = f"Gain over {results.baseline}, arm by arm"
    return Forest(title, f"difference in {measure.label}", rows)


def _point(point: CellPoint, x: float, y: float, measure: Measure, sign: str = "") -> Point:
    cell, value = point.cell, f"{point.value:{sign}.{measure.decimals}f} {measure.label}"
    return Point(
        x,
        y,
        f"{cell.arm}, {cell.pairs:,} pairs, seed {cell.seed}: {value}, "
        f"{cell.training.updates:,} updates, ended by {cell.training.ended_by}",
        hollow=cell.by_budget,
    )


def _costs(results: Results, arms: Sequence[str]) -> Iterator[Chart]:
    """Yield a chart of gains against core-seconds for each size."""
    measure = results.measure
    for pairs, of_size in by_size(results).items():
        series = []
        for it in of_size:
            said = f"{it.arm}: {it.more:+.{measure.decimals}f} {measure.label}, "
            lines, points = [], [Point(it.shared, it.more, f"{said}{it.shared:,.0f} core-seconds")]
            if it.gain:
                lines.append([(it.shared, end) for end in it.gain.interval])
            if it.pretraining:
                whole = f"{said}{it.alone:,.0f} core-seconds with all of its pretraining"
                lines.append([(it.shared, it.more), (it.alone, it.more)])
                points.append(Point(it.alone, it.more, whole, hollow=True))
            series.append(Series(it.arm, arms.index(it.arm), lines, points=points))
        title = f"{pairs:,} pairs"
        yield Chart(title, "core-seconds a cell", f"difference in {measure.label}", series)


def _trainings(rows: Sequence[CellRow], arms: Sequence[str]) -> Iterator[Chart]:
    """Yield a chart of validation BLEU during training for each size, of the first seed."""
    first = min((row.seed for row in rows), default=None)
    for pairs in sorted({row.pairs for row in rows}):
        series = [
            Series(
                row.arm,
                arms.index(row.arm),
                [[(each.update, each.bleu) for each in row.training.validations]],
            )
            for row in rows
            if row.pairs == pairs and row.seed == first and row.training.validations
        ]
        if series:
            labels = f"{pairs:,} pairs, seed {first}", "updates", "BLEU on the validation set"
            yield Chart(*labels, series, from_zero=True)


def _words(hypothesis: str, reference: str) -> list[Word]:
    """Return the words of a hypothesis, marked where they differ from the reference."""
    mine, theirs = hypothesis.split(), reference.split()
    same = set[int]()
    matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
    for start, _, length in matcher.get_matching_blocks():
        same.update(range(start, start + length))
    return [Word(word, at not in same) for at, word in enumerate(mine)]
