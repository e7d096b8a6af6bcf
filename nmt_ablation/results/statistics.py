"""Confidence intervals that generalise over seeds and over test sentences at once, and Holm's
correction of p-values for the number of comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from nmt_ablation.results.spread import Spread

ALPHA = 0.05
ROUNDING = 1e-9
"""A difference that only rounding makes."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, or a difference of two, on one test set.

    The margin over sentences, which are many, comes from a bootstrap. The margin over seeds, which
    are few, comes from their spread and Student's t: a bootstrap over three seeds covers the true
    mean in only four cases of five. The squares of margins are added (Zou and Donner 2008).
    """

    mean: float
    of_seeds: Spread | None
    """The spread between seeds; None if it is unknown, and intervals speak of sentences only."""
    of_sentences: float
    """The variance over sentences, but for the next one."""
    of_both: float
    """The variance from the interaction of seeds and sentences, which the spread between seeds has
    too, and which must count once."""

    def margin(self, p: float) -> float:
        """Return half the width of the interval at confidence 1 - p."""
        z, of_seeds = ndtri(p / 2), 0.0
        if self.of_seeds is not None:
            of_seeds = stdtrit(self.of_seeds.freedom, p / 2) ** 2 * self.of_seeds.variance
        # Seeds that are alike by chance must not make the margin over sentences smaller.
        of_seeds = max(of_seeds, z**2 * self.of_both)
        return float(np.sqrt(of_seeds + z**2 * self.of_sentences))

    def interval(self, p: float = ALPHA) -> tuple[float, float]:
        """Return the interval at confidence 1 - p."""
        margin = self.margin(p)
        return self.mean - margin, self.mean + margin

    @cached_property
    def p(self) -> float:
        """Two-sided p of the null hypothesis that it is 0: that of the interval that reaches 0."""
        if abs(self.mean) < ROUNDING:
            return 1.0
        if self.margin(1e-12) < abs(self.mean):
            return 0.0
        return float(brentq(lambda p: self.margin(p) - abs(self.mean), 1e-12, 1))

    def p_within(self, bound: float) -> float:
        """Return p of the null hypothesis that it is a bound or more away from 0: that of the
        interval that reaches the bound. Two one-sided tests (Schuirmann 1987) have half of it, but
        then an interval that is shown could reach the bound of what is called equivalent."""
        left = bound - abs(self.mean)
        if left <= 0:
            return 1.0
        if self.margin(1e-12) < left:
            return 0.0
        return float(brentq(lambda p: self.margin(p) - left, 1e-12, 1))

    def minus(self, other: "Estimate") -> "Estimate":
        """Return the difference to an independent estimate, such as a gain at another size. The
        degrees of freedom of its spread follow Satterthwaite (1946). Where both are of the same
        sentences, on which they rise and fall together, its interval is rather too wide."""
        spread = None
        if self.of_seeds is not None and other.of_seeds is not None:
            spread = _sum_of(self.of_seeds, other.of_seeds)
        return Estimate(
            self.mean - other.mean,
            spread,
            self.of_sentences + other.of_sentences,
            self.of_both + other.of_both,
        )

    def shifted(self, by: float) -> "Estimate":
        """Return the estimate less a number, for tests of hypotheses other than 0."""
        return replace(self, mean=self.mean - by)


def _sum_of(one: Spread, other: Spread) -> Spread:
    """Return the spread of the sum or difference of two independent estimates."""
    variance = one.variance + other.variance
    if variance == 0:
        return Spread(0.0, min(one.freedom, other.freedom))
    parts = one.variance**2 / one.freedom + other.variance**2 / other.freedom
    return Spread(variance, variance**2 / parts)


def estimate(scores: np.ndarray, of_seeds: np.ndarray, spread: Spread | None) -> Estimate:
    """Return an estimate with its variances.

    Args:
        scores: the estimate on the test set, then on its resamples.
        of_seeds: the same from each seed alone (seeds x the above), as far as seeds have it.
        spread: the spread of the estimate between seeds; None if it is unknown.
    """
    of_sentences, of_both = float(scores[1:].var(ddof=1)), 0.0
    if spread is not None and len(of_seeds) > 1:
        each = float(of_seeds[:, 1:].var(axis=1, ddof=1).mean())
        of_both = max(each - of_sentences, 0) / (len(of_seeds) - 1)
        of_both = min(of_both, of_sentences)
    return Estimate(float(scores[0]), spread, of_sentences - of_both, of_both)


def spread_of_mean(scores: np.ndarray) -> Spread | None:
    """Return the spread of an arm's mean over seeds; None for a single seed.

    Its variance has a component that all arms of a seed share. Degrees of freedom follow
    Satterthwaite (1946).

    Args:
        scores: arms x seeds; one arm is enough.
    """
    arms, seeds = scores.shape
    if seeds < 2:
        return None
    if arms == 1:
        return Spread(float(scores.var(ddof=1)) / seeds, seeds - 1)
    of_seeds, residual = _mean_squares(scores)
    shared, own = of_seeds / arms, residual * (1 - 1 / arms)
    freedom = seeds - 1.0
    if shared + own > 0:
        freedom *= (shared + own) ** 2 / (shared**2 + own**2 / (arms - 1))
    return Spread((shared + own) / seeds, freedom)


def _mean_squares(scores: np.ndarray) -> tuple[float, float]:
    """Return the mean squares of seeds and of residuals."""
    arms, seeds = scores.shape
    of_arms, of_seeds = scores.mean(1, keepdims=True), scores.mean(0, keepdims=True)
    residuals = scores - of_arms - of_seeds + scores.mean()
    return (
        float(arms * of_seeds.var(ddof=1)),
        float((residuals**2).sum() / ((arms - 1) * (seeds - 1))),
    )


def holm(p_values: Sequence[float], comparisons: int) -> list[float]:
    """Return p-values after Holm's correction (1979) for a number of comparisons, of which those
    without a p-value yet count as 1."""
    count, least, found = max(comparisons, len(p_values)), 0.0, [0.0] * len(p_values)
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        least = max(least, min(1.0, (count - rank) * p_values[at]))
        found[at] = least
    return found


def holm_levels(p_values: Sequence[float], comparisons: int) -> list[float]:
    """Return the level at which Holm's correction tests each comparison, at 0.05 for all: the
    interval at this level contains 0 just where the correction finds no difference."""
    count = max(comparisons, len(p_values))
    corrected = holm(p_values, comparisons)
    found, rejected = [0.0] * len(p_values), sum(p < ALPHA for p in corrected)
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        found[at] = ALPHA / (count - min(rank, rejected))
    return found
