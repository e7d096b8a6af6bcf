"""The power of an experiment: what difference it finds, how surely, and with how many cells.

Experiments of known truth are simulated and judged by the very statistics that a report uses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from nmt_ablation.experiment import Cell
from nmt_ablation.results import looks as at_looks
from nmt_ablation.results.rows import SIGNIFICANT
from nmt_ablation.results.spread import Block, Spreads
from nmt_ablation.results.statistics import dunnett_level
from nmt_ablation.values import Size

TRIALS = 2_000
"""Simulated experiments: shares are known to about 1%."""
SEED = 1


@dataclass(frozen=True)
class Power:
    """The verdicts on an arm of a known gain, as shares of all experiments."""

    gain: float
    better: float
    equivalent: float
    undecided: float
    seeds: float
    """The mean number of seeds that the arm takes."""
    cells: float
    """The mean number of cells of the experiment, if all its arms have this gain."""


def power(
    compared: Sequence[int],
    looks: Sequence[int],
    spread: float,
    smallest: float | None,
    gains: Sequence[float],
) -> list[Power]:
    """Return the power to find each gain.

    Args:
        compared: the number of arms that are compared with the baseline at each size.
        looks: the numbers of seeds at each look; a single one for an experiment that is judged
            once.
        spread: the standard deviation of an arm's score from seed to seed, once what all arms of a
            seed share is left out.
        smallest: the smallest gain of interest, if there is one.
    """
    sizes = tuple(number for number in compared if number)
    several = len(looks) > 1
    level = at_looks.level(SIGNIFICANT, sizes, looks) if several else dunnett_level(sizes)
    found = at_looks.noise(np.random.default_rng(SEED), sizes, looks, TRIALS)
    return [_of_gain(gain, found, sizes, looks, level, spread, smallest) for gain in gains]


def _of_gain(
    gain: float,
    noise: Sequence[at_looks.Noise],
    sizes: Sequence[int],
    looks: Sequence[int],
    level: float,
    spread: float,
    smallest: float | None,
) -> Power:
    better, equivalent, done = (np.zeros((TRIALS, sum(sizes)), bool) for _ in range(3))
    seeds = np.full(done.shape, looks[-1])
    for count, one in zip(looks, noise, strict=True):
        means, deviations = gain + spread * one.gains, spread * one.deviations
        significant = 2 * stdtr(one.freedom, -np.abs(means) / deviations) < level
        within = np.zeros(done.shape, bool)
        if smallest is not None:
            left = smallest - np.abs(means)
            within = (left > 0) & (stdtr(one.freedom, -left / deviations) < level)
        now = (significant | within) & ~done
        better |= now & significant & (means > 0)
        equivalent |= now & ~significant
        seeds[now] = count
        done |= now
    ends = np.cumsum(sizes)
    of_sizes = np.split(seeds, ends[:-1], axis=1)
    cells = sum(it.sum(1) + it.max(1) for it in of_sizes)
    return Power(
        gain, *(float(it.mean()) for it in (better, equivalent, ~done, seeds, np.asarray(cells)))
    )


def spread_of(scores: Mapping[Cell, float]) -> float | None:
    """Return the standard deviation of an arm's score from seed to seed; None before two arms have
    two seeds."""
    arms, seeds = list({cell.arm for cell in scores}), list({cell.seed for cell in scores})
    tables: dict[Size, np.ndarray] = {}
    for cell, score in scores.items():
        table = tables.setdefault(cell.size, np.full((len(arms), len(seeds)), np.nan))
        table[arms.index(cell.arm), seeds.index(cell.seed)] = score
    spreads = Spreads(list(map(Block, tables.values()))) if tables else None
    if spreads is None or spreads.freedom < 0.5:
        return None
    return float(np.sqrt(spreads.pool[0]))
