"""The sentences of a report: the verdict, what it rests on, contrasts and curves."""

import math
from collections.abc import Sequence
from statistics import fmean

from nmt_ablation.report.table import p_value
from nmt_ablation.report.words import WORDS, by_sizes, corrected, ends, listed, read_off
from nmt_ablation.results import curve, dunnett
from nmt_ablation.results.means import unlike
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import (
    SIGNIFICANT,
    CellRow,
    MeanRow,
    by_arm,
)
from nmt_ablation.results.verdict import (
    OUTCOMES,
    VERDICTS,
    basis,
    decide,
    decide_contrasts,
    judge_predictions,
)

NAMED = 4
"""The most arms that the verdict names together."""
MOSTLY = 0.5
"""The share of the loss beyond which an auxiliary objective may drown translation."""


def sentences(results: Results) -> list[str]:
    """Return the verdict, what it rests on, then a line for each curve and each contrast."""
    found = [
        verdict(results),
        rests_on(results),
        predictions(results),
        drowned(results),
        *spreads(results),
        *curves(results),
        *contrasts(results),
        *fits(results),
        *precisions(results.cells),
    ]
    return [sentence for sentence in found if sentence]


def verdict(results: Results) -> str:
    """Return the verdict on all arms, by the primary metric."""
    decisions = decide(results)
    if not decisions:
        return f"No arm can be compared with {results.baseline} yet."
    sizes = {row.pairs for decision in decisions for row in decision.rows}
    parts = []
    for kind in VERDICTS:
        if arms := [it.arm for it in decisions if it.everywhere == kind]:
            at = "at any size" if kind == "open" else "at every size tested"
            at = at if len(sizes) > 1 else ""
            parts.append(f"{_named(arms)} {_are(arms)} {WORDS[kind]} {at}".rstrip())
    for kind in VERDICTS:
        if arms := [it.arm for it in decisions if it.partly == kind]:
            others = "and not decided at others"
            parts.append(f"{_named(arms)} {_are(arms)} {WORDS[kind]} at some sizes {others}")
    if arms := [it.arm for it in decisions if it.changes]:
        parts.append(f"{_named(arms)} {'change' if len(arms) > 1 else 'changes'} with the size")
    where = f" at {sizes.pop():,} pairs" if len(sizes) == 1 else ""
    return f"Against {results.baseline}{where}, {'; '.join(parts)}."


def _named(arms: Sequence[str]) -> str:
    """Return the first arms by name."""
    if len(arms) <= NAMED:
        return listed(arms)
    return f"{', '.join(arms[: NAMED - 1])} and other arms"


def _are(arms: Sequence[str]) -> str:
    return "are" if len(arms) > 1 else "is"


def rests_on(results: Results) -> str:
    """Return what the verdict rests on: corrections, seeds, sentences and ends of trainings."""
    if not any(row.gains for row in results.means):
        return ""
    found, parts = basis(results), list[str]()
    if found.comparisons > 1:
        parts.append(
            f"Better and worse mean p < {SIGNIFICANT} after {corrected(results)} "
            f"for {found.comparisons} comparisons with {results.baseline}."
        )
    else:
        parts.append(f"Better and worse mean p < {SIGNIFICANT}.")
    if (gain := results.smallest_gain) is not None:
        parts.append(
            f"Equivalent means that the corrected interval contains 0, and is within {gain:g} "
            f"{results.measure.label} of it."
        )
    sentences = f"{found.test_sentences:,} test sentences"
    if found.seeds == (1, 1):
        parts.append(
            f"With one seed nothing is decided: a difference may be luck. Intervals are for other "
            f"sentences ({sentences}) and not for other seeds."
        )
    else:
        seeds = " to ".join(map(str, dict.fromkeys(found.seeds)))
        parts.append(f"Means are over {seeds} seeds and {sentences}.")
    if counts := results.design.verdict.looks:
        boundary = dunnett.level(SIGNIFICANT, results.design.compared, counts)
        parts.append(
            "A comparison ends at the look that decides it: there its p before correction is below "
            f"{boundary:.2g}."
        )
    if found.by_budget:
        parts.append(
            f"The budget ended {found.by_budget} of {found.trainings} trainings before patience "
            "did; gains shrink as training goes on."
        )
    return " ".join(parts)


def predictions(results: Results) -> str:
    """Return how many of the declared predictions held."""
    judged = [it.outcome for it in judge_predictions(results)]
    counts = {outcome: judged.count(outcome) for outcome in OUTCOMES}
    said = ", ".join(f"{outcome} {number}" for outcome, number in counts.items())
    return f"Declared predictions: {said}." if judged else ""


def drowned(results: Results) -> str:
    """Return a warning of arms whose loss was mostly an auxiliary objective's."""
    shares: dict[str, list[float]] = {}
    for row in results.cells:
        if row.training.auxiliary_share is not None:
            shares.setdefault(row.arm, []).append(row.training.auxiliary_share)
    arms = [arm for arm, of_arm in shares.items() if fmean(of_arm) > MOSTLY]
    if not arms:
        return ""
    return (
        f"More than half of the loss of {listed(arms)} was that of auxiliary objectives, which may "
        "drown translation: lower their weights."
    )


def curves(results: Results) -> list[str]:
    """Return a sentence for each arm that is better or worse at some size: where its gain ends, and
    where it is largest."""
    lines = []
    for arm, rows in curve.with_curves(results.means).items():
        if not any(row.gains[results.primary].significant for row in rows):
            continue
        best = max(rows, key=lambda row: row.gains[results.primary].mean)
        line = f"{arm}: {_crossover(curve.crossover(rows, results.primary), rows)}."
        if best.gains[results.primary].mean > 0:
            line += f" It is largest at {best.pairs:,} pairs."
        lines.append(line)
    return lines


def _crossover(found: curve.Estimate, means: Sequence[MeanRow]) -> str:
    if (found.low, found.high) == (0, math.inf):
        return "these sizes don't show where the gain ends"
    interval = f"(95% interval: {ends(found, means)} pairs)"
    if found.at == 0:
        return f"the estimated gain is never positive {interval}"
    if found.at == math.inf:
        return f"the estimated gain doesn't end within the data {interval}"
    return f"the estimated gain ends at {read_off(found.at, means)} pairs {interval}"


def contrasts(results: Results) -> list[str]:
    """Return a sentence for each contrast: the decision at each size."""
    lines = []
    for decision in decide_contrasts(results):
        found = {kind: decision.sizes(kind) for kind in VERDICTS}
        lines.append(f"{decision.arm} against {decision.other}: {by_sizes(found)}.")
    return lines


def spreads(results: Results) -> list[str]:
    """Return a warning where the scores of some arms, or sizes, vary more than those of others."""
    found = []
    of_both = unlike(results.cells, results.primary, results.measure)
    for what, p in zip(("arms", "sizes"), of_both, strict=True):
        if p is not None and p < SIGNIFICANT:
            found.append(
                f"Scores of some {what} vary more from seed to seed than those of others "
                f"(Bartlett's p {p_value(p)}): intervals of the former are a little too narrow."
            )
    return found


def fits(results: Results) -> list[str]:
    """Return a sentence on the form of each arm's curve, if the sizes determine it."""
    lines = []
    for arm, rows in by_arm(results.means).items():
        if found := curve.fit_means(rows, results.primary, results.measure):
            far = curve.BEYOND * rows[-1].pairs
            (then,) = found([far])
            numbers = ", ".join(f"{number:.3g}" for number in found.parameters)
            lines.append(
                f"{arm}: the curve is best described by a {found.form.name}, {found.form.formula}, "
                f"with {numbers}. It misses held-out sizes by {found.error:.1f} "
                f"{results.measure.label}, and extrapolates to {then:.1f} at {far:,} pairs."
            )
    return lines


def precisions(rows: Sequence[CellRow]) -> list[str]:
    """Return a sentence on the precisions of trainings, if they differ."""
    sizes: dict[str, dict[str, None]] = {}
    for row in rows:
        sizes.setdefault(row.training.precision, {})[f"{row.pairs:,}"] = None
    if len(sizes) < 2:
        return []
    trained = [f"in {precision} at {listed(list(at))} pairs" for precision, at in sizes.items()]
    return [f"Trained {listed(trained)}; comparisons between sizes mix these precisions."]
