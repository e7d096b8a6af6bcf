"""The correction of comparisons with one baseline for their number, and for the looks at them.

Dunnett (1955) asks how often the least p of all comparisons is as small where no arm differs. His
tables are for one variance that all arms share; here variances are pooled over arms and sizes in
part, and there may be several looks (a group-sequential design with one boundary for all, Pocock
1977). So the least p is simulated, with the very statistics that judge a report.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from scipy.special import stdtr

from nmt_ablation.results.spread import Block, Spreads

TRIALS = 20_000
"""Simulated experiments: they tell a level of 0.05 to 0.001."""
AT_ONCE = 2_000
RATIO = 2.0
"""The largest deviation of an arm between seeds in simulated experiments, over the smallest: where
arms vary alike, the correction is a little too strict."""
SEED = 1


@cache
def least_p_values(arms: tuple[int, ...], looks: tuple[int, ...]) -> np.ndarray:
    """Return the least p of all comparisons with a baseline, at all looks, in simulated experiments
    where no arm differs, and the deviations of arms between seeds are within `RATIO`.

    Args:
        arms: the number of arms that are compared at each size.
        looks: the numbers of seeds.

    Returns:
        `TRIALS` p-values in ascending order.
    """
    random, least = np.random.default_rng(SEED), []
    sizes = tuple(number for number in arms if number)
    for _ in range(TRIALS // AT_ONCE):
        # An arm is as noisy at all sizes.
        deviations = RATIO ** random.uniform(-0.5, 0.5, (AT_ONCE, max(sizes) + 1, 1))
        drawn = noise(partial(_scores, random, deviations), sizes, looks, AT_ONCE)
        least.append(np.min([it.p_values().min(1) for it in drawn], axis=0))
    return np.sort(np.concatenate(least))


def _scores(
    random: np.random.Generator, deviations: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    return np.asarray(deviations * random.standard_normal(shape))


@dataclass(frozen=True)
class Noise:
    """The gains of arms that do not differ, in many experiments at one look."""

    gains: np.ndarray
    """Experiments x comparisons, in standard deviations of an arm's score between seeds."""
    deviations: np.ndarray
    """Standard deviations of these as they are estimated, in the same unit."""
    freedom: np.ndarray
    """Degrees of freedom of the latter."""

    def p_values(self) -> np.ndarray:
        """Return p of each comparison alone."""
        return np.asarray(2 * stdtr(self.freedom, -np.abs(self.gains) / self.deviations))


def noise(
    draw: Callable[[tuple[int, ...]], np.ndarray],
    sizes: Sequence[int],
    looks: Sequence[int],
    number: int,
) -> list[Noise]:
    """Draw scores of experiments in which no arm differs; return what is estimated at each look.

    Args:
        draw: a function from a shape to scores with a standard deviation of 1.
        sizes: the number of arms that are compared at each size.
        number: the number of experiments.
    """
    scores = [draw((number, max(sizes) + 1, max(looks))) for _ in sizes]
    for of_size, arms in zip(scores, sizes, strict=True):
        of_size[:, arms + 1 :] = np.nan
    return [_at_look([of_size[..., :seeds] for of_size in scores], sizes) for seeds in looks]


def _at_look(scores: Sequence[np.ndarray], sizes: Sequence[int]) -> Noise:
    spreads, found = Spreads([Block(of_size) for of_size in scores]), []
    for size, (block, arms) in enumerate(zip(spreads.blocks, sizes, strict=True)):
        for arm in range(1, arms + 1):
            weights = block.weights(arm, 0)
            variance, freedom = spreads.variances(size, weights)
            found.append((block.scores @ weights, np.sqrt(variance), freedom))
    return Noise(*(np.stack(it, axis=1) for it in zip(*found, strict=True)))


def corrected(p: float, arms: Sequence[int], looks: Sequence[int]) -> float:
    """Return p of a comparison after correction for all comparisons at all looks.

    Args:
        arms: the number of arms that are compared at each size.
        looks: the numbers of seeds; a single one if seeds aren't added one by one.
    """
    if sum(arms) * len(looks) < 2:
        return p
    found = least_p_values(tuple(arms), tuple(looks))
    return float((np.searchsorted(found, p, side="right") + 1) / (TRIALS + 1))


def level(alpha: float, arms: Sequence[int], looks: Sequence[int]) -> float:
    """Return the p of one comparison at one look that the correction makes alpha."""
    if sum(arms) * len(looks) < 2:
        return alpha
    found = least_p_values(tuple(arms), tuple(looks))
    return float(found[max(0, math.ceil(alpha * (TRIALS + 1)) - 2)])
