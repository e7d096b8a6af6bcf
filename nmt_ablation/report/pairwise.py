"""The comparison of two translations of one test set, for a terminal."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from nmt_ablation.report import terminal
from nmt_ablation.report.table import Column, Entry, Header, described, p_value
from nmt_ablation.results.pairwise import Difference


def as_rich(differences: Sequence[Difference], one: str, other: str) -> Table:
    """Return a line for each metric."""
    columns = [
        Column[Difference](Header("", left=True), lambda it: Entry(it.measure.label)),
        Column[Difference](Header(one), lambda it: _score(it, 0)),
        Column[Difference](Header(other), lambda it: _score(it, 1)),
        Column[Difference](Header("gain (95% interval)"), _gain),
        Column[Difference](Header("p"), lambda it: Entry(p_value(it.test.bootstrap))),
        Column[Difference](
            Header("p, randomised"), lambda it: Entry(p_value(it.test.randomisation))
        ),
    ]
    return terminal.render(described("", columns, differences))


def notes(differences: Sequence[Difference]) -> Iterator[str]:
    """Yield notes on the meaning of the numbers, and the metrics' signatures."""
    for found in differences:
        share = found.measure.people_agree(found.gain.mean)
        if share is not None:
            more = "more than " if share >= found.measure.most_agreement else ""
            yield (
                f"Of two systems that differ by {abs(found.gain.mean):.1f} {found.measure.label}, "
                f"people prefer the better one in {more}{share:.0%} of cases (Kocmi et al. 2024)."
            )
    yield (
        "Intervals and p (paired bootstrap; approximate randomisation) are for other sentences, "
        "not for other seeds."
    )
    for found in differences:
        yield f"{found.measure.label}: {found.signature}"


def _score(found: Difference, at: int) -> Entry:
    return Entry(f"{found.scores[at]:.{found.measure.decimals}f}")


def _gain(found: Difference) -> Entry:
    mean, low, high = (
        f"{it:+.{found.measure.decimals}f}" for it in (found.gain.mean, *found.gain.interval())
    )
    return Entry(mean, f"({low} to {high})")
