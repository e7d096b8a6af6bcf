"""Intervals that speak of other seeds and of other test sentences at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
SURE = 0.05
"""A p below it is taken for a difference."""


@dataclass(frozen=True)
class Interval:
    """Where a mean over seeds may be, at 95% confidence."""

    mean: float
    low: float
    high: float
    p: float
    """Of a mean so far from 0 if it were 0, in either direction."""


@dataclass(frozen=True)
class Spread:
    """How much a score differs from seed to seed, and how well that is known."""

    variance: float
    freedom: float
    """Degrees of freedom of Student's t."""


def spread_of_gains(scores: np.ndarray) -> Spread | None:
    """Of the difference between two arms in a seed: twice what neither arm nor seed explains,
    a block design (Fisher 1935). It is taken to be alike for all arms, as two or three seeds of one
    arm say next to nothing about its own; None where no two arms share two seeds.

    Args:
        scores: arms x seeds; NaN where a seed of an arm isn't there.
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
    """Of an arm's score, of which a part is the same for all arms of a seed; degrees of freedom
    after Satterthwaite (1946).

    Args:
        scores: arms x seeds, and one arm will do.
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
    """Of seeds, and what neither arm nor seed explains."""
    arms, seeds = scores.shape
    of_arms, of_seeds = scores.mean(1, keepdims=True), scores.mean(0, keepdims=True)
    residuals = scores - of_arms - of_seeds + scores.mean()
    return (
        float(arms * of_seeds.var(ddof=1)),
        float((residuals**2).sum() / ((arms - 1) * (seeds - 1))),
    )


def interval(scores: np.ndarray, spread: Spread | None) -> Interval:
    """The interval of a mean over seeds, each with a training of its own, on one test set.

    Both vary: the seeds, of which there are few, and the sentences, of which there are many. The
    sentences' margin is taken from a bootstrap; the seeds' from their spread and Student's t, as
    a bootstrap over three seeds covers the truth in four cases of five only. Margins add up as
    squares (Zou and Donner 2008). Of one seed the interval speaks of sentences alone.

    Args:
        scores: seeds x (1 + resamples): on the test set, and on resamples of it that are the same
            for all seeds.
        spread: from seed to seed, where it is known.
    """
    whole, resamples = scores[:, 0], scores[:, 1:]
    seeds, mean = len(whole), float(whole.mean())
    of_sentences = float(resamples.mean(axis=0).var(ddof=1))
    of_seeds = spread.variance / seeds if spread is not None else 0.0
    of_both = 0.0
    if spread is not None and seeds > 1:
        # That sentences suit one seed better than another is in both variances; it counts once.
        each = float(resamples.var(axis=1, ddof=1).mean())
        of_both = min(max(each - of_sentences, 0) / (seeds - 1), of_sentences)
        of_sentences -= of_both

    def margin(p: float) -> float:
        t, z = stdtrit(spread.freedom, p / 2) if spread is not None else 0.0, ndtri(p / 2)
        # A few seeds may be alike by chance; what sentences alone make of them isn't less for it.
        seeds_part = max(t**2 * of_seeds, z**2 * of_both)
        return float(np.sqrt(seeds_part + z**2 * of_sentences))

    ends = margin(1 - LEVEL)
    if mean == 0:
        p = 1.0
    elif margin(1e-12) < abs(mean):
        p = 0.0
    else:  # the level whose interval just reaches 0
        p = brentq(lambda p: margin(p) - abs(mean), 1e-12, 1)
    return Interval(mean, mean - ends, mean + ends, p)


def corrected(p_values: Sequence[float], comparisons: int) -> list[float]:
    """p-values of some of so many comparisons, corrected so that the chance of a single false one
    among all of them stays what it says (Holm 1979); those not known yet are taken for 1."""
    count, least, found = max(comparisons, len(p_values)), 0.0, [0.0] * len(p_values)
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        least = max(least, min(1.0, (count - rank) * p_values[at]))
        found[at] = least
    return found
