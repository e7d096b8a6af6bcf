"""The spread of scores between seeds, which is told apart by arm and by size.

Two or three seeds of one arm hardly determine a variance. So variances are pooled over arms and
sizes, and each arm's and each size's own is shrunk towards the pool: by empirical Bayes, as in
limma (Smyth 2004). The weight of the pool is limited, so that an arm with a spread of its own keeps
most of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma
from scipy.stats import chi2

MOST_PRIOR = 4.0
"""The most degrees of freedom of the pool. limma has no limit, and misses one arm whose spread is
twice the others'; 4 costs next to nothing where all are alike."""
LEAST_SHARE = 0.05
"""The least variance of an arm, as a share of the pool: differences of sums of squares can be
negative."""


@dataclass(frozen=True)
class Spread:
    """The variance of an estimate from seed to seed, and its degrees of freedom."""

    variance: float
    freedom: float
    """Degrees of freedom for Student's t."""


class Block:
    """The scores of one size by a block design (Fisher 1935): arms and seeds have effects.

    Args:
        scores: arms x seeds; NaN where an arm lacks a seed.
    """

    def __init__(self, scores: np.ndarray) -> None:
        arms, seeds = scores.shape
        self.arms, self.seeds = np.nonzero(np.isfinite(scores))
        self.scores = scores[self.arms, self.seeds]
        of_arms, of_seeds = np.eye(arms)[self.arms], np.eye(seeds)[self.seeds]
        self.design = np.concatenate([of_arms, of_seeds], axis=1)
        self.inverse = np.linalg.pinv(self.design.T @ self.design)
        residual = np.eye(len(self.arms)) - self.design @ self.inverse @ self.design.T
        self.squares = of_arms.T @ (residual @ self.scores) ** 2
        """The sum of squared residuals of each arm."""
        self.freedom = of_arms.T @ np.diag(residual)
        """The degrees of freedom of each arm; together those of the block."""
        self.expected = of_arms.T @ residual**2 @ of_arms
        """The expected squares of each arm (rows), in multiples of each arm's variance."""

    def weights(self, arm: int, other: int) -> np.ndarray:
        """Return the weight of each cell in the least-squares estimate of one arm's gain over
        another, which uses the seeds that only one of them has too, as far as other arms link
        them."""
        asked = np.zeros(self.design.shape[1])
        asked[arm], asked[other] = 1, -1
        return np.asarray(self.design @ (self.inverse @ asked))


class Spreads:
    """The variances of all arms and sizes of an experiment, by one metric.

    Args:
        blocks: a block for each size, with the same arms in the same order; an arm may have no
            cells at some.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.of_arms = np.sum([block.squares for block in blocks], axis=0)
        self.freedom_of_arms = np.sum([block.freedom for block in blocks], axis=0)
        self.of_sizes = np.array([block.squares.sum() for block in blocks])
        self.freedom_of_sizes = np.array([block.freedom.sum() for block in blocks])
        self.freedom = float(self.freedom_of_sizes.sum())
        if self.freedom < 0.5:
            return
        self.pool = float(self.of_sizes.sum()) / self.freedom
        self.arms, self.freedom_of_arm = self._arms()
        self.sizes, self.freedom_of_size = self._sizes()

    def _arms(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance of each arm, and its degrees of freedom."""
        arms = len(self.of_arms)
        if np.count_nonzero(self.freedom_of_arms > 0) < 3:  # of two, only the sum is known
            return np.full(arms, self.pool), np.full(arms, 2 * self.freedom)
        # Each residual has a share of all arms' noise (Grubbs 1948): solved for each arm's own.
        expected = np.sum([block.expected for block in self.blocks], axis=0)
        own = np.linalg.lstsq(expected, self.of_arms, rcond=1e-9)[0]
        freedom = self.freedom_of_arms * arms / (arms - 1)
        prior = _prior(self.of_arms, self.freedom_of_arms)
        shrunk = (prior * self.pool + freedom * own) / (prior + freedom)
        return np.maximum(shrunk, LEAST_SHARE * self.pool), prior + freedom

    def _sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance of each size as a multiple of the pool, and its degrees of freedom:
        infinite for one size, whose multiple is 1."""
        sizes = len(self.blocks)
        if np.count_nonzero(self.freedom_of_sizes > 0.5) < 2:
            return np.ones(sizes), np.full(sizes, np.inf)
        prior = _prior(self.of_sizes, self.freedom_of_sizes)
        own = self.of_sizes / self.pool if self.pool > 0 else self.freedom_of_sizes
        return (prior + own) / (prior + self.freedom_of_sizes), prior + self.freedom_of_sizes

    def of_gain(self, size: int, weights: np.ndarray) -> Spread | None:
        """Return the spread of a gain; None if no two arms share two seeds at any size.

        Degrees of freedom follow Satterthwaite (1946).

        Args:
            size: the number of the size's block.
            weights: the weight of each of its cells, from `Block.weights`.
        """
        if self.freedom < 0.5:
            return None
        shares = np.bincount(self.blocks[size].arms, weights**2, len(self.arms)) * self.arms
        variance = float(shares.sum())
        if variance == 0:
            return Spread(0.0, self.freedom)
        freedom = variance**2 / float((shares**2 / self.freedom_of_arm).sum())
        unsure = 1 / min(freedom, self.freedom)
        unsure += max(0.0, 1 / self.freedom_of_size[size] - 1 / self.freedom)
        return Spread(variance * float(self.sizes[size]), 1 / unsure)

    def alike(self) -> tuple[float | None, float | None]:
        """Return p of the hypotheses that all arms, and that all sizes, have one variance
        (Bartlett 1937); None where there are fewer than two to compare."""
        return (
            _bartlett(self.of_arms, self.freedom_of_arms),
            _bartlett(self.of_sizes, self.freedom_of_sizes),
        )


def _prior(squares: np.ndarray, freedom: np.ndarray) -> float:
    """Return the degrees of freedom of the pool: few where variances differ by more than chance.

    The logarithms of variances are compared, as Smyth (2004) has it.
    """
    known = (freedom > 0.5) & (squares > 0)
    squares, freedom = squares[known], freedom[known]
    if len(squares) < 2:
        return MOST_PRIOR
    logs = np.log(squares / freedom) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond_chance = logs.var(ddof=1) - polygamma(1, freedom / 2).mean()
    if beyond_chance <= 0:
        return MOST_PRIOR
    return min(MOST_PRIOR, 2 * _inverse_trigamma(float(beyond_chance)))


def _inverse_trigamma(value: float) -> float:
    """Return x of trigamma(x) = value, by Newton's method from the start of Smyth (2004)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        found = polygamma(1, x)
        step = found * (1 - found / value) / polygamma(2, x)
        x += step
        if abs(step) < 1e-8 * x:
            break
    return float(x)


def _bartlett(squares: np.ndarray, freedom: np.ndarray) -> float | None:
    """Return p of the hypothesis that all variances are equal."""
    known = (freedom > 0.5) & (squares > 0)
    squares, freedom = squares[known], freedom[known]
    if len(squares) < 2:
        return None
    whole, groups = freedom.sum(), len(freedom)
    pool = squares.sum() / whole
    statistic = whole * np.log(pool) - (freedom * np.log(squares / freedom)).sum()
    scale = 1 + ((1 / freedom).sum() - 1 / whole) / (3 * (groups - 1))
    return float(chi2.sf(statistic / scale, groups - 1))
