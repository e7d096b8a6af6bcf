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
    number,
    p_entry,
    p_value,
)
from nmt_ablation.report.words import SIGNS, by_sizes, listed, pairs
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
        means = [(it.mean.verdict, it.pairs) for it in of_sizes if it.mean]
        found_at = {kind: [size for it, size in means if it == kind] for kind in VERDICTS}
        said = [f"mean of experiments {by_sizes(found_at)}"] if means else []
        if unlike := [it.pairs for it in of_sizes if it.p_alike < SIGNIFICANT]:
            said.append(f"gains differ between experiments at {pairs(unlike)}")
        if said:
            lines.append(f"{arm} against {other}: {'; '.join(said)}.")
    return lines


def table(found: Sequence[Pooled], measure: Measure) -> Table:
    """Describe the mean of each comparison, and how much experiments differ in it."""
    columns: list[Column[Pooled]] = [
        Column(Header("pairs"), lambda it: number(it.pairs)),
        Column(Header("arm", left=True), lambda it: Entry(it.arm)),
        Column(Header("compared with", left=True), lambda it: Entry(it.other)),
        Column(Header("experiments", terminal="no"), lambda it: number(len(it.gains))),
        Column(Header(f"mean {measure.delta}"), lambda it: gain(it.mean, measure)),
        Column(Header("p"), lambda it: p_entry(it.mean)),
        Column(Header("verdicts", terminal="no"), lambda it: Entry(_verdicts(it))),
        Column(
            Header(f"SD between, {measure.label}", terminal="no"),
            lambda it: fixed(it.between, measure.decimals + 1),
        ),
        Column(Header("I²", terminal="no"), lambda it: Entry(f"{it.share:.0%}", value=it.share)),
        Column(
            Header("p, equal gains", terminal="no"),
            lambda it: Entry(p_value(it.p_alike), value=it.p_alike),
        ),
    ]
    return described(HEADING, columns, found, notes(found))


def _verdicts(found: Pooled) -> str:
    """Return the number of experiments with each verdict."""
    each = [gain.verdict for gain in found.gains.values()]
    return " ".join(f"{SIGNS[kind]} {each.count(kind)}" for kind in VERDICTS if kind in each)


def notes(found: Sequence[Pooled]) -> list[str]:
    """Return what the numbers are, and how far they reach."""
    names = list(dict.fromkeys(name for each in found for name in each.gains))
    means = sum(each.mean is not None for each in found)
    said = [
        f"Comparisons that {listed(names)} share: arms are matched by name, sizes by their number "
        "of pairs. Gains with a single seed are left out. Verdicts are those of each experiment.",
        "SD between is the standard deviation of the true gains of experiments, as estimated; I² "
        "the share of all variance between gains that noise doesn't explain. The last p is of the "
        "hypothesis that the true gains of all experiments are equal (Cochran's Q, after Holm's "
        f"correction for {len(found)} comparisons). With few experiments only large differences "
        "are detected: a high p doesn't show that gains are equal.",
    ]
    if means < len(found):
        said.append(
            "Two experiments have no mean, as they don't determine how much experiments vary."
        )
    if means:
        said.append(
            "Means come from a random-effects meta-analysis (Paule and Mandel 1982). Their 95% "
            "intervals in parentheses (Hartung and Knapp 2001), and p, are after Holm's correction "
            f"for {means} comparisons; better and worse mean p < {SIGNIFICANT}. With few "
            "experiments intervals are wide, also where each finds a gain: Student's t has one "
            "degree of freedom less than there are experiments."
        )
        said.append(
            "The experiments were chosen, not drawn at random, so their mean doesn't predict the "
            "gain for another pair, domain or baseline. They are treated as independent: where "
            "they share text or a test set, the interval of the mean is too narrow."
        )
    return said


def lines(found: Sequence[Pooled]) -> list[Line]:
    """Return the lines of the forest plot, the mean of each comparison below its experiments."""
    drawn = []
    for each in found:
        compared = f"{each.arm} against {each.other}, {each.pairs:,}"
        for name, one in each.gains.items():
            drawn.append(Line(f"{compared}: {name}", each.arm, one, False))
        if each.mean:
            drawn.append(Line(f"{compared}: mean", each.arm, each.mean, True))
    return drawn
