"""Comparisons that several experiments share, and the mean gain of each by meta-analysis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from nmt_ablation.results.means import gain_of
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import ComparedRow, Gain
from nmt_ablation.results.spread import Spread
from nmt_ablation.results.statistics import ALPHA, Estimate, holm, holm_levels

LEAST = 0.001
"""The least standard error of a gain: scores have three digits at most, and arms that translate
alike would weigh infinitely."""
FEWEST = 3
"""The fewest experiments with a mean: two determine no variance between experiments."""
Key = tuple[int, str, str]
"""Pairs, arm, and the arm that it is compared with."""


@dataclass(frozen=True)
class Pooled:
    """An arm's gain over another at one size: in each experiment, and the mean of all."""

    pairs: int
    arm: str
    other: str
    gains: dict[str, Gain]
    """Gains by the name of the experiment."""
    mean: Gain | None
    """The mean gain; None for two experiments."""
    between: float
    """The standard deviation of true gains between experiments, as estimated."""
    share: float
    """The share of all variance between gains that noise doesn't explain (Higgins's I²)."""
    p_alike: float
    """p of the hypothesis that the true gains of all experiments are one (Cochran's Q), after
    Holm's correction."""


def pool(experiments: Sequence[Results]) -> list[Pooled]:
    """Return the comparisons by the primary metric that at least two experiments share.

    Arms are matched by name, and sizes by their number of pairs. The gains of one seed are left
    out, as their intervals say nothing of other seeds. Intervals and p of means are corrected for
    all that have one, the other p for all comparisons (Holm 1979).
    """
    found = {key: gains for key, gains in _gains(experiments).items() if len(gains) > 1}
    combined = {key: _combine(list(gains.values())) for key, gains in found.items()}
    smallest = {results.smallest_gain for results in experiments}
    bound = smallest.pop() if len(smallest) == 1 else None
    estimates = {key: it.mean for key, it in combined.items() if len(found[key]) >= FEWEST}
    means = _corrected(estimates, bound)
    alike = holm([it.p_alike for it in combined.values()], len(combined))
    return [
        Pooled(*key, found[key], means.get(key), it.between, it.share, p)
        for (key, it), p in zip(combined.items(), alike, strict=True)
    ]


def _corrected(estimates: Mapping[Key, Estimate], smallest: float | None) -> dict[Key, Gain]:
    """Return gains after Holm's correction for all of them."""
    p_values = [it.p for it in estimates.values()]
    corrected, levels = (correct(p_values, len(p_values)) for correct in (holm, holm_levels))
    return {
        key: gain_of(it, level, smallest).model_copy(update={"p": p})
        for (key, it), p, level in zip(estimates.items(), corrected, levels, strict=True)
    }


@dataclass(frozen=True)
class _Combined:
    mean: Estimate
    between: float
    share: float
    p_alike: float


def _combine(gains: Sequence[Gain]) -> _Combined:
    """Combine independent gains by a model of random effects.

    The variance between experiments is Paule and Mandel's (1982). The interval of the mean follows
    Hartung and Knapp (2001): Student's t with a degree of freedom less than experiments. Its
    standard error is never less than that of the plain model, as few experiments may agree by
    chance (Röver, Knapp and Friede 2015).
    """
    # Takes seconds to load, and most reports are of one experiment.
    from statsmodels.stats.meta_analysis import combine_effects

    # Student's t and the noise of sentences are in the width of each interval.
    errors = [(gain.high - gain.low) / 2 / -ndtri(ALPHA / 2) for gain in gains]
    variances = np.maximum(errors, LEAST) ** 2
    found = combine_effects(np.array([gain.mean for gain in gains]), variances, method_re="pm")
    error = max(found.sd_eff_w_re, found.sd_eff_w_re_hksj)
    return _Combined(
        Estimate(float(found.mean_effect_re), Spread(float(error**2), len(gains) - 1), 0.0, 0.0),
        max(float(found.tau2), 0.0) ** 0.5,
        max(float(found.i2), 0.0),
        float(found.test_homogeneity().pvalue),
    )


def _gains(experiments: Sequence[Results]) -> dict[Key, dict[str, Gain]]:
    """Return the gains of each comparison, by experiment, smallest size first."""
    found: dict[Key, dict[str, Gain]] = {}
    for results in experiments:
        for row, other in _compared(results):
            gains = found.setdefault((row.pairs, row.arm, other), {})
            gains[results.name] = row.gains[results.primary]
    return dict(sorted(found.items(), key=lambda item: item[0][0]))


def _compared(results: Results) -> Iterator[tuple[ComparedRow, str]]:
    """Yield the rows with a gain over several seeds, and the arm that it is over."""
    for mean in results.means:
        if mean.gains and mean.seeds > 1:
            yield mean, results.baseline
    for contrast in results.contrasts:
        if contrast.seeds > 1:
            yield contrast, contrast.other
