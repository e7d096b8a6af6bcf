"""The sentences of a report: the verdict, contrasts and curves."""

import math
from collections.abc import Sequence

from nmt_ablation.report.words import ends, listed, pairs_of, read_off
from nmt_ablation.results import curve
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import (
    SIGNIFICANT,
    CellRow,
    ContrastRow,
    Gain,
    MeanRow,
    by_arm,
)
from nmt_ablation.results.verdict import Basis, Decision, basis, decide
from nmt_ablation.scoring.metric import Measure


def sentences(results: Results) -> list[str]:
    """Return the verdict, then a paragraph for each curve and each contrast."""
    return [
        verdict(results),
        *curves(results),
        *contrasts(results),
        *fits(results),
        *precisions(results.cells),
    ]


def verdict(results: Results) -> str:
    """Return the verdict on each arm, by the primary metric."""
    decisions = decide(results)
    if not decisions:
        return f"No arm can be compared with {results.baseline} yet."
    parts = []
    undecided: dict[tuple[int, ...], list[str]] = {}
    for decision in decisions:
        if decision.better or decision.worse:
            parts.append(f"{decision.arm} is {_decided(decision, results)}")
        else:
            undecided.setdefault(tuple(row.pairs for row in decision.open), []).append(decision.arm)
    for sizes, arms in undecided.items():
        at = listed([f"{pairs:,}" for pairs in sizes])
        are = "are" if len(arms) > 1 else "is"
        parts.append(f"{listed(arms)} {are} not significantly different at {at} pairs")
    return f"Against {results.baseline}, {'; '.join(parts)}. {_basis(basis(results))}"


def _decided(decision: Decision, results: Results) -> str:
    clauses = []
    for word, rows in (("better", decision.better), ("worse", decision.worse)):
        if rows:
            gains = [row.gains[results.primary] for row in rows]
            amount = _amount(gains, results.measure)
            clauses.append(f"significantly {word} at {pairs_of(rows)} ({amount})")
    if decision.open:
        clauses.append(f"not significantly different at {pairs_of(decision.open)}")
    return listed(clauses)


def _amount(gains: Sequence[Gain], measure: Measure) -> str:
    """Return the range of some gains or losses, without their sign."""
    sizes = sorted(abs(gain.mean) for gain in gains)
    ends = dict.fromkeys(f"{it:.{measure.decimals}f}" for it in (sizes[0], sizes[-1]))
    return f"{' to '.join(ends)} {measure.label}"


def _basis(found: Basis) -> str:
    parts = []
    if found.comparisons > 1:
        parts.append(
            f"Significant means p < {SIGNIFICANT} after Holm's correction for "
            f"{found.comparisons} comparisons."
        )
    else:
        parts.append(f"Significant means p < {SIGNIFICANT}.")
    sentences = f"{found.test_sentences:,} test sentences"
    if found.seeds == (1, 1):
        parts.append(f"With one seed, p covers other sentences ({sentences}) but not other seeds.")
    else:
        seeds = " to ".join(map(str, dict.fromkeys(found.seeds)))
        parts.append(f"Means are over {seeds} seeds and {sentences}.")
    if found.by_budget:
        parts.append(
            f"The budget ended {found.by_budget} of {found.trainings} trainings before patience "
            "did; gains shrink as training goes on."
        )
    return " ".join(parts)


def curves(results: Results) -> list[str]:
    """Return a sentence for each arm with a curve: where its gain ends, and where it is largest."""
    lines = []
    for arm, rows in curve.with_curves(results.means).items():
        best = max(rows, key=lambda row: row.gains[results.primary].mean)
        line = f"{arm}: {_crossover(curve.crossover(rows, results.primary), rows)}."
        if best.gains[results.primary].mean > 0:
            line += f" The estimate of the gain is largest at {best.pairs:,} pairs."
        lines.append(line)
    return lines


def _crossover(found: curve.Estimate, means: Sequence[MeanRow]) -> str:
    if (found.low, found.high) == (0, math.inf):
        return "these sizes don't show where the gain ends"
    interval = f"(95% interval: {ends(found, means)} pairs)"
    if found.at == 0:
        return f"the gain is never positive {interval}"
    if found.at == math.inf:
        return f"the gain doesn't end within the data {interval}"
    return f"the gain ends at {read_off(found.at, means)} pairs {interval}"


def contrasts(results: Results) -> list[str]:
    """Return a sentence for each contrast: the sizes at which the first arm is better or worse."""
    of_arms: dict[tuple[str, str], list[ContrastRow]] = {}
    for row in results.contrasts:
        of_arms.setdefault((row.arm, row.other), []).append(row)
    return [_contrast(arm, other, rows, results) for (arm, other), rows in of_arms.items()]


def _contrast(arm: str, other: str, rows: Sequence[ContrastRow], results: Results) -> str:
    clauses = []
    gains = [(row, row.gains[results.primary]) for row in rows]
    for word, sign in (("better", 1), ("worse", -1)):
        found = [(row, gain) for row, gain in gains if gain.significant and sign * gain.mean > 0]
        if found:
            at = listed([f"{row.pairs:,}" for row, _ in found])
            amount = _amount([gain for _, gain in found], results.measure)
            clauses.append(f"significantly {word} at {at} pairs ({amount})")
    undecided = [f"{row.pairs:,}" for row, gain in gains if not gain.significant]
    if undecided:
        clauses.append(f"not significantly different at {listed(undecided)} pairs")
    return f"{arm} against {other}: {listed(clauses)}."


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
