"""Intervals that speak of other seeds and of other test sentences at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

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


def interval(scores: np.ndarray) -> Interval:
    """The interval of a mean over seeds, each with a training of its own, on one test set.

    Both vary: the seeds, of which there are few, and the sentences, of which there are many. The
    sentences' margin is taken from a bootstrap; the seeds' from their variance and Student's t, as
    a bootstrap over three seeds covers the truth in four cases of five only. Margins add up as
    squares (Zou and Donner 2008). Of one seed the interval speaks of sentences alone.

    Args:
        scores: seeds x (1 + resamples): on the test set, and on resamples of it that are the same
            for all seeds.
    """
    whole, resamples = scores[:, 0], scores[:, 1:]
    seeds, mean = len(whole), float(whole.mean())
    of_sentences = float(resamples.mean(axis=0).var(ddof=1))
    of_seeds = 0.0
    if seeds > 1:
        # That sentences suit one seed better than another is in both variances; it counts once.
        in_both = (float(resamples.var(axis=1, ddof=1).mean()) - of_sentences) / (seeds - 1)
        of_seeds = max(float(whole.var(ddof=1)) / seeds - max(in_both, 0), 0)

    def margin(p: float) -> float:
        t, z = (stats.t.isf(p / 2, seeds - 1) if seeds > 1 else 0.0), stats.norm.isf(p / 2)
        return float(np.sqrt(t**2 * of_seeds + z**2 * of_sentences))

    spread = margin(1 - LEVEL)
    # The level whose interval just reaches 0.
    if mean == 0:
        p = 1.0
    elif margin(1e-12) < abs(mean):
        p = 0.0
    else:
        p = brentq(lambda p: margin(p) - abs(mean), 1e-12, 1)
    return Interval(mean, mean - spread, mean + spread, p)


def corrected(p_values: Sequence[float]) -> list[float]:
    """p-values of many comparisons, corrected so that the chance of a single false one among all
    of them stays what it says (Holm 1979)."""
    count, least, found = len(p_values), 0.0, [0.0] * len(p_values)
    for rank, at in enumerate(sorted(range(count), key=lambda at: p_values[at])):
        least = max(least, min(1.0, (count - rank) * p_values[at]))
        found[at] = least
    return found
