"""Sentences, table and forest plot on the comparisons that several experiments share."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt_ablation.report.table import (
    Column,
    Entry,
    Header,
    Table,
    described,
    fixed,
    gain,
    p_entry,
    p_value,
)
from nmt_ablation.report.table import number as whole
from nmt_ablation.report.words import WORDS, listed
from nmt_ablation.results.across import Pooled
from nmt_ablation.results.rows import SIGNIFICANT, Gain
from nmt_ablation.results.verdict import VERDICTS
from nmt_ablation.scoring.metric import Measure

HEADING = "Across experiments"


@dataclass(frozen=True)
class Line:
    """A line of the forest plot: the gain in one experiment, or the mean of all."""

    label: str
    arm: str
    gain: Gain
    ends: tuple[float, float]
    """The ends of its 95% interval: corrected for all comparisons where it is a mean."""
    of_all: bool
    """True if it is the mean of all experiments."""


def sentences(found: Sequence[Pooled]) -> list[str]:
    """Return a sentence for each comparison: the verdict on its mean at each size, and the sizes
    at which experiments differ."""
    of_arms: dict[tuple[str, str], list[Pooled]] = {}
    for each in found:
        of_arms.setdefault((each.arm, each.other), []).append(each)
    lines = []
    for (arm, other), of_sizes in of_arms.items():
        parts = []
        for kind in VERDICTS:
            if at := [f"{it.pairs:,}" for it in of_sizes if it.mean and it.mean.verdict == kind]:
                parts.append(f"{WORDS[kind]} at {listed(at)} pairs")
        said = [f"mean of experiments {listed(parts)}"] if parts else []
        if unlike := [f"{it.pairs:,}" for it in of_sizes if it.p_alike < SIGNIFICANT]:
            said.append(f"gains differ between experiments at {listed(unlike)} pairs")
        if said:
            lines.append(f"{arm} against {other}: {'; '.join(said)}.")
    return lines


def table(found: Sequence[Pooled], measure: Measure) -> Table:
    """Describe the mean of each comparison, and how much experiments differ in it."""
    columns: list[Column[Pooled]] = [
        Column(Header("pairs"), lambda it: whole(it.pairs)),
        Column(Header("arm", left=True), lambda it: Entry(it.arm)),
        Column(Header("compared with", left=True), lambda it: Entry(it.other)),
        Column(Header("experiments", terminal="no"), lambda it: whole(len(it.gains))),
        Column(Header(f"mean {measure.delta}"), lambda it: gain(it.mean, measure)),
        Column(Header("p"), lambda it: p_entry(it.mean)),
        Column(Header("SD between"), lambda it: fixed(it.between, measure.decimals + 1)),
        Column(Header("I²", terminal="no"), lambda it: Entry(f"{it.share:.0%}", value=it.share)),
        Column(
            Header("p, alike", terminal="no"),
            lambda it: Entry(p_value(it.p_alike), value=it.p_alike),
        ),
    ]
    return described(HEADING, columns, found, notes(found))


def notes(found: Sequence[Pooled]) -> list[str]:
    """Return what the numbers are, and how far they reach."""
    names = list(dict.fromkeys(name for each in found for name in each.gains))
    means = sum(each.mean is not None for each in found)
    said = [
        f"Comparisons that {listed(names)} share: arms are matched by name, sizes by their number "
        "of pairs; gains of one seed are left out.",
        "SD between is the standard deviation of the true gains of experiments, as estimated; I² "
        "the share of all variance between gains that noise doesn't explain. The last p is of the "
        "hypothesis that the true gains of all experiments are one (Cochran's Q, after Holm's "
        f"correction for {len(found)} comparisons): with few experiments it finds only large "
        "differences.",
    ]
    if means < len(found):
        said.append(
            "Two experiments have no mean, as they don't determine how much experiments vary."
        )
    if means:
        said.append(
            "Means are of a random-effects meta-analysis (Paule and Mandel 1982). Their 95% "
            "intervals in parentheses (Hartung and Knapp 2001), and p, are after Holm's correction "
            f"for {means} comparisons. Few experiments make them wide: Student's t has one degree "
            "of freedom less than there are experiments. A mean speaks of these experiments. They "
            "were chosen, not drawn at random, so it is no forecast for another pair, domain or "
            "baseline. They count as independent: where they share text or a test set, its "
            "interval is too narrow."
        )
    return said


def lines(found: Sequence[Pooled], baseline: str) -> list[Line]:
    """Return the lines of the forest plot, the mean of each comparison below its experiments."""
    drawn = []
    for each in found:
        over = "" if each.other == baseline else f" over {each.other}"
        compared = f"{each.arm}{over}, {each.pairs:,}"
        for name, one in each.gains.items():
            drawn.append(Line(f"{compared}: {name}", each.arm, one, (one.low, one.high), False))
        if each.mean:
            ends = each.mean.interval
            drawn.append(Line(f"{compared}: mean", each.arm, each.mean, ends, True))
    return drawn
