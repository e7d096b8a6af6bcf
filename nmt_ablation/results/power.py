"""The power of an experiment: what difference it finds, how surely, and with how many cells.

Experiments of known truth are simulated and judged by the very statistics that a report uses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from nmt_ablation.experiment import Cell
from nmt_ablation.results import dunnett
from nmt_ablation.results.rows import SIGNIFICANT
from nmt_ablation.results.spread import Block, Spreads
from nmt_ablation.values import Size

TRIALS = 2_000
"""Simulated experiments: shares are known to about 1%."""
SEED = 1


@dataclass(frozen=True)
class Power:
    """The verdicts on arms of known gains, as shares of all comparisons, and what they take."""

    better: float
    worse: float
    equivalent: float
    undecided: float
    seeds: float
    """The mean number of seeds of an arm."""
    of_sizes: tuple[float, ...]
    """The mean number of cells at each size."""

    @property
    def cells(self) -> float:
        """The mean number of cells of an experiment."""
        return sum(self.of_sizes)


@dataclass(frozen=True)
class Plan:
    """The comparisons of an experiment with its baseline, and how they are judged."""

    sizes: Sequence[int]
    """The number of arms that are compared at each size."""
    looks: Sequence[int]
    """The number of seeds at each look; a single one for an experiment that is judged once."""
    spread: float
    """The standard deviation of an arm's score from seed to seed, once what all arms of a seed
    share is left out."""
    smallest: float | None
    """The smallest gain of interest, if there is one."""

    @property
    def level(self) -> float:
        """The p of a single comparison below which it is decided."""
        return dunnett.level(SIGNIFICANT, self.sizes, self.looks)


def power(
    plan: Plan,
    gains: float | Sequence[float],
    draw: Callable[[tuple[int, ...]], np.ndarray] | None = None,
) -> Power:
    """Return how often true gains are found.

    Args:
        gains: the gain of all arms, or of each comparison, size by size.
        draw: a function from a shape to noise with a standard deviation of 1; by default it is
            normal.
    """
    draw = draw or np.random.default_rng(SEED).standard_normal
    level, looks = plan.level, plan.looks
    noise = dunnett.noise(draw, plan.sizes, looks, TRIALS)
    shape = TRIALS, sum(plan.sizes)
    better, worse, equivalent, done = (np.zeros(shape, bool) for _ in range(4))
    seeds = np.full(shape, looks[-1])
    for count, one in zip(looks, noise, strict=True):
        means, deviations = gains + plan.spread * one.gains, plan.spread * one.deviations
        significant = 2 * stdtr(one.freedom, -np.abs(means) / deviations) < level
        within = np.zeros(shape, bool)
        if plan.smallest is not None:
            left = plan.smallest - np.abs(means)
            within = (left > 0) & (2 * stdtr(one.freedom, -left / deviations) < level)
        now = (significant | within) & ~done
        better |= now & significant & (means > 0)
        worse |= now & significant & (means < 0)
        equivalent |= now & ~significant
        seeds[now] = count
        done |= now
    # A size's baseline has as many seeds as the arm with the most.
    of_sizes = np.split(seeds, np.cumsum(plan.sizes)[:-1], axis=1)
    cells = [float((it.sum(1) + it.max(1)).mean()) for it in of_sizes]
    return Power(
        better=float(better.mean()),
        worse=float(worse.mean()),
        equivalent=float(equivalent.mean()),
        undecided=float(1 - done.mean()),
        seeds=float(seeds.mean()),
        of_sizes=tuple(cells),
    )


def spread_of(scores: Mapping[Cell, float]) -> float | None:
    """Return the standard deviation of an arm's score from seed to seed; None before two arms have
    two seeds."""
    spreads = Spreads(blocks_of(scores)) if scores else None
    if spreads is None or spreads.freedom < 0.5:
        return None
    return float(np.sqrt(spreads.pool[0]))


def blocks_of(scores: Mapping[Cell, float]) -> list[Block]:
    """Return the scores of each size, with the same arms and seeds in the same order."""
    arms, seeds = (
        list(dict.fromkeys(getattr(it, key) for it in scores)) for key in ("arm", "seed")
    )
    tables: dict[Size, np.ndarray] = {}
    for cell, score in scores.items():
        table = tables.setdefault(cell.size, np.full((len(arms), len(seeds)), np.nan))
        table[arms.index(cell.arm), seeds.index(cell.seed)] = score
    return list(map(Block, tables.values()))
