"""Confidence intervals that generalise over seeds and over test sentences at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95% confidence interval."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided p of the null hypothesis that the mean is 0."""


@dataclass(frozen=True)
class Spread:
    """The variance of a score between seeds, and its degrees of freedom."""

    variance: float
    freedom: float
    """Degrees of freedom for Student's t."""


def spread_of_gains(scores: np.ndarray) -> Spread | None:
    """Return the spread of the difference between two arms in a seed; None if no two arms share two
    seeds.

    The variance is twice the residual variance of a block design (Fisher 1935), in which arms and
    seeds have effects. The residual variance is pooled over arms, assuming that it is equal: two or
    three seeds of one arm hardly determine it.

    Args:
        scores: arms x seeds; NaN where an arm lacks a seed.
    """
    there = np.isfinite(scores)
    rows, columns = np.nonzero(there)
    design = np.concatenate([np.eye(len(scores))[rows], np.eye(scores.shape[1])[columns]], axis=1)
    solution, _, rank, _ = np.linalg.lstsq(design, scores[there])
    if (freedom := len(rows) - int(rank)) < 1:
        return None
    residuals = scores[there] - design @ solution
    return Spread(2 * float(residuals @ residuals) / freedom, freedom)


def spread_of_scores(scores: np.ndarray) -> Spread | None:
    """Return the spread of an arm's score; None for a single seed.

    Its variance has a component that all arms of a seed share. Degrees of freedom follow
    Satterthwaite (1946).

    Args:
        scores: arms x seeds; one arm is enough.
    """
    arms, seeds = scores.shape
    if seeds < 2:
        return None
    if arms == 1:
        return Spread(float(scores.var(ddof=1)), seeds - 1)
    of_seeds, residual = _mean_squares(scores)
    shared, own = of_seeds / arms, residual * (1 - 1 / arms)
    freedom = seeds - 1.0
    if shared + own > 0:
        freedom *= (shared + own) ** 2 / (shared**2 + own**2 / (arms - 1))
    return Spread(shared + own, freedom)


def _mean_squares(scores: np.ndarray) -> tuple[float, float]:
    """Return the mean squares of seeds and of residuals."""
    arms, seeds = scores.shape
    of_arms, of_seeds = scores.mean(1, keepdims=True), scores.mean(0, keepdims=True)
    residuals = scores - of_arms - of_seeds + scores.mean()
    return (
        float(arms * of_seeds.var(ddof=1)),
        float((residuals**2).sum() / ((arms - 1) * (seeds - 1))),
    )


def interval(scores: np.ndarray, spread: Spread | None) -> Interval:
    """Return the interval of a mean over seeds, each with a training of its own, on one test set.

    The margin over sentences, which are many, comes from a bootstrap. The margin over seeds, which
    are few, comes from their spread and Student's t: a bootstrap over three seeds covers the true
    mean in only four cases of five. The squares of margins are added (Zou and Donner 2008). With
    one seed the interval generalises over sentences only.

    Args:
        scores: seeds x (1 + resamples): scores on the test set, then on its resamples, which are
            the same for all seeds.
        spread: the spread between seeds; None if it is unknown.
    """
    whole, resamples = scores[:, 0], scores[:, 1:]
    seeds, mean = len(whole), float(whole.mean())
    of_sentences = float(resamples.mean(axis=0).var(ddof=1))
    of_seeds = spread.variance / seeds if spread is not None else 0.0
    of_both = 0.0
    if spread is not None and seeds > 1:
        # Both variances contain the interaction of seeds and sentences, which must count once.
        each = float(resamples.var(axis=1, ddof=1).mean())
        of_both = min(max(each - of_sentences, 0) / (seeds - 1), of_sentences)
        of_sentences -= of_both

    def margin(p: float) -> float:
        t, z = stdtrit(spread.freedom, p / 2) if spread is not None else 0.0, ndtri(p / 2)
        # Seeds that are alike by chance must not make the margin over sentences smaller.
        seeds_part = max(t**2 * of_seeds, z**2 * of_both)
        return float(np.sqrt(seeds_part + z**2 * of_sentences))

    ends = margin(1 - LEVEL)
    if mean == 0:
        p = 1.0
    elif margin(1e-12) < abs(mean):
        p = 0.0
    else:  # the p whose interval just reaches 0
        p = brentq(lambda p: margin(p) - abs(mean), 1e-12, 1)
    return Interval(mean, mean - ends, mean + ends, p)


def corrected(p_values: Sequence[float], comparisons: int) -> list[float]:
    """Return p-values after Holm's correction (1979) for a number of comparisons, of which those
    without a p-value yet count as 1."""
    count, least, found = max(comparisons, len(p_values)), 0.0, [0.0] * len(p_values)
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        least = max(least, min(1.0, (count - rank) * p_values[at]))
        found[at] = least
    return found
