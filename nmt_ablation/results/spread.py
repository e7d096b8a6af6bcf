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
        scores: arms x seeds, or experiments x arms x seeds for many experiments at once; NaN where
            an arm lacks a seed, in all experiments alike.
    """

    def __init__(self, scores: np.ndarray) -> None:
        *_, arms, seeds = scores.shape
        one = scores.reshape(-1, arms, seeds)[0]
        self.arms, self.seeds = np.nonzero(np.isfinite(one))
        self.scores = scores[..., self.arms, self.seeds]
        of_arms, of_seeds = np.eye(arms)[self.arms], np.eye(seeds)[self.seeds]
        self.design = np.concatenate([of_arms, of_seeds], axis=1)
        self.inverse = np.linalg.pinv(self.design.T @ self.design)
        residual = np.eye(len(self.arms)) - self.design @ self.inverse @ self.design.T
        self.squares = (self.scores @ residual) ** 2 @ of_arms
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
    """The variances of all arms and sizes of an experiment, by one metric; or of many experiments
    at once, along the first axis.

    Args:
        blocks: a block for each size, with the same arms in the same order; an arm may have no
            cells at some.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.of_arms = np.sum([block.squares for block in blocks], axis=0)
        self.freedom_of_arms = np.sum([block.freedom for block in blocks], axis=0)
        self.of_sizes = np.stack([block.squares.sum(-1) for block in blocks], axis=-1)
        self.freedom_of_sizes = np.array([block.freedom.sum() for block in blocks])
        self.freedom = float(self.freedom_of_sizes.sum())
        if self.freedom < 0.5:
            return
        self.pool = self.of_sizes.sum(-1, keepdims=True) / self.freedom
        self.arms, self.freedom_of_arm = self._arms()
        self.sizes, self.freedom_of_size = self._sizes()

    def _arms(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance of each arm, and its degrees of freedom."""
        arms = self.of_arms.shape[-1]
        if np.count_nonzero(self.freedom_of_arms > 0) < 3:  # of two, only the sum is known
            both = np.broadcast_to(self.pool, self.of_arms.shape)
            return both, np.full(self.of_arms.shape, 2 * self.freedom)
        # Each residual has a share of all arms' noise (Grubbs 1948): solved for each arm's own.
        expected = np.sum([block.expected for block in self.blocks], axis=0)
        own = self.of_arms @ np.linalg.pinv(expected, rcond=1e-9).T
        freedom = self.freedom_of_arms * arms / (arms - 1)
        prior = _prior(self.of_arms, self.freedom_of_arms)
        shrunk = (prior * self.pool + freedom * own) / (prior + freedom)
        return np.maximum(shrunk, LEAST_SHARE * self.pool), prior + freedom

    def _sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance of each size as a multiple of the pool, and its degrees of freedom:
        infinite for one size, whose multiple is 1."""
        shape = self.of_sizes.shape
        if np.count_nonzero(self.freedom_of_sizes > 0.5) < 2:
            return np.ones(shape), np.full(shape, np.inf)
        prior = _prior(self.of_sizes, self.freedom_of_sizes)
        # Without any noise, all sizes are alike.
        some = np.where(self.pool > 0, self.pool, 1)
        own = np.where(self.pool > 0, self.of_sizes / some, self.freedom_of_sizes)
        return (prior + own) / (prior + self.freedom_of_sizes), prior + self.freedom_of_sizes

    def variances(self, size: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance of a gain in each experiment, and its degrees of freedom, which
        follow Satterthwaite (1946).

        Args:
            size: the number of the size's block.
            weights: the weight of each of its cells, from `Block.weights`.
        """
        arms = self.of_arms.shape[-1]
        shares = np.bincount(self.blocks[size].arms, weights**2, arms) * self.arms
        variance = shares.sum(-1)
        parts = (shares**2 / self.freedom_of_arm).sum(-1)
        some = np.where(parts > 0, parts, 1)
        freedom = np.where(parts > 0, variance**2 / some, self.freedom)
        unsure = 1 / np.minimum(freedom, self.freedom)
        unsure += np.maximum(0.0, 1 / self.freedom_of_size[..., size] - 1 / self.freedom)
        return variance * self.sizes[..., size], 1 / unsure

    def of_gain(self, size: int, weights: np.ndarray) -> Spread | None:
        """Return the spread of a gain in one experiment; None if no two arms share two seeds at any
        size.

        Args:
            size, weights: as of `variances`.
        """
        if self.freedom < 0.5:
            return None
        variance, freedom = self.variances(size, weights)
        return Spread(float(variance), float(freedom))

    def alike(self) -> tuple[float | None, float | None]:
        """Return p of the hypotheses that all arms, and that all sizes, have one variance
        (Bartlett 1937); None where there are fewer than two to compare."""
        return (
            _bartlett(self.of_arms, self.freedom_of_arms),
            _bartlett(self.of_sizes, self.freedom_of_sizes),
        )


def _prior(squares: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Return the degrees of freedom of the pool: few where variances differ by more than chance.

    The logarithms of variances are compared, as Smyth (2004) has it.

    Args:
        squares: sums of squares, along the last axis.
        freedom: their degrees of freedom.
    """
    known = (freedom > 0.5) & (squares > 0)
    enough = known.sum(-1, keepdims=True) > 1
    some, half = np.where(known, squares, 1), np.where(freedom > 0.5, freedom, 1) / 2
    logs = np.log(some / half / 2) - digamma(half) + np.log(half)
    beyond_chance = _mean(_deviations(logs, known) ** 2, known, 1)
    beyond_chance -= _mean(np.broadcast_to(polygamma(1, half), known.shape), known, 0)
    few = enough & (beyond_chance > 0)
    found = 2 * _inverse_trigamma(np.where(few, beyond_chance, 1.0))
    prior: np.ndarray = np.where(few, np.minimum(MOST_PRIOR, found), MOST_PRIOR)
    return prior


def _mean(values: np.ndarray, known: np.ndarray, less: int) -> np.ndarray:
    """Return the mean of known values along the last axis, of which the divisor is so much less."""
    number = np.maximum(known.sum(-1, keepdims=True) - less, 1)
    found: np.ndarray = (values * known).sum(-1, keepdims=True) / number
    return found


def _deviations(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    found: np.ndarray = values - _mean(values, known, 0)
    return found


def _inverse_trigamma(values: np.ndarray) -> np.ndarray:
    """Return x of trigamma(x) = value, by Newton's method from the start of Smyth (2004)."""
    x: np.ndarray = 0.5 + 1 / values
    for _ in range(50):
        found = polygamma(1, x)
        step = found * (1 - found / values) / polygamma(2, x)
        x = x + step
        if np.all(np.abs(step) < 1e-8 * x):
            break
    return x


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
