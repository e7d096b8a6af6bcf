"""Learning curves: a curve's form, the size at which a gain ends, and a gain's worth in pairs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from nmt_ablation.results.rows import MeanRow, by_arm
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.values import Size

DRAWS = 2000
BEYOND = 2
"""The end of a drawn fit, as a multiple of the largest size."""
FITTED_POINTS = 100
CURVE_SIZES = 3
"""The fewest sizes from which the end of a gain is estimated."""
Z = 1.959964
"""Half the width of a 95% interval in standard errors."""


@dataclass(frozen=True)
class Estimate:
    """A number of pairs with its 95% interval, by linear interpolation over the logarithm of sizes.
    0 means below the smallest size, infinity beyond the largest."""

    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Form:
    """A form of learning curves: a score as a function of the number of pairs."""

    name: str
    formula: str
    function: Callable[..., Any]
    start: Callable[[np.ndarray, np.ndarray], Sequence[float]]
    """Initial parameters for fitting, given sizes and scores."""
    lower: Sequence[float]
    """Lower bounds of the parameters."""
    upper: Sequence[float]
    """Upper bounds of the parameters."""


def _logistic(pairs: np.ndarray, top: float, slope: float, middle: float) -> Any:
    return top / (1 + np.exp(-slope * (np.log(pairs) - middle)))


def _exponential(pairs: np.ndarray, top: float, scale: float, power: float) -> Any:
    return top * np.exp(-np.exp(scale) * pairs**-power)


def _top(scores: np.ndarray) -> float:
    """Return an initial value for the asymptotic score, within the bound of 100."""
    return min(1.5 * float(scores.max()), 99)


def _power(pairs: np.ndarray, top: float, scale: float, power: float) -> Any:
    return top - np.exp(scale) * pairs**-power


FORMS = (
    Form(
        "logistic curve",
        "C / (1 + exp(-k (ln D - m)))",
        _logistic,
        lambda pairs, scores: (_top(scores), 1.0, float(np.log(pairs).mean())),
        (0, 0.01, 0),
        (100, 10, 30),
    ),
    Form(
        "exponential of a power law (Gordon et al. 2021)",
        "C exp(-K D^-a)",
        _exponential,
        lambda pairs, scores: (_top(scores), 3.0, 0.4),
        (0, -10, 0.01),
        (100, 30, 5),
    ),
    Form(
        "power law",
        "C - B D^-a",
        _power,
        lambda pairs, scores: (_top(scores), 5.0, 0.3),
        (0, -10, 0.01),
        (100, 30, 5),
    ),
)
"""Forms from the literature. None is best everywhere, so held-out sizes decide."""


@dataclass(frozen=True)
class Fit:
    """A form with its parameters."""

    form: Form
    parameters: tuple[float, ...]
    error: float
    """Root mean squared error in points, each size predicted from all others."""

    def __call__(self, pairs: Sequence[float]) -> list[float]:
        found = self.form.function(np.asarray(pairs, dtype=float), *self.parameters)
        return [float(score) for score in found]


def fit(pairs: Sequence[float], scores: Sequence[float]) -> Fit | None:
    """Return the form that predicts held-out sizes best; None for fewer than five sizes, which
    don't determine three parameters."""
    return _fit(tuple(pairs), tuple(scores)) if len(pairs) >= 5 else None


@cache  # sentences, figure and page need the same fits
def _fit(pairs: tuple[float, ...], scores: tuple[float, ...]) -> Fit | None:
    x, y = np.asarray(pairs, dtype=float), np.asarray(scores, dtype=float)
    found = []
    for form in FORMS:
        left_out = [
            _held_out_error(form, np.delete(x, at), np.delete(y, at), x[at], y[at])
            for at in range(len(x))
        ]
        parameters = _parameters(form, x, y)
        if parameters is not None and None not in left_out:
            error = math.sqrt(sum(miss**2 for miss in left_out if miss is not None) / len(x))
            found.append(Fit(form, parameters, error))
    return min(found, key=lambda fit: fit.error, default=None)


def fit_means(means: Sequence[MeanRow], metric: str, measure: Measure) -> Fit | None:
    """Return the form of an arm's curve; None if the sizes are too few or the metric has none."""
    if not measure.is_percentage:
        return None
    return fit([row.pairs for row in means], [row.scores[metric].mean for row in means])


def fitted(means: Sequence[MeanRow], metric: str, measure: Measure) -> list[tuple[float, float]]:
    """Return points of an arm's fitted curve, up to `BEYOND` times the largest size."""
    found = fit_means(means, metric, measure)
    if found is None:
        return []
    pairs = np.geomspace(means[0].pairs, BEYOND * means[-1].pairs, FITTED_POINTS).tolist()
    return list(zip(pairs, found(pairs), strict=True))


def crossover(means: Sequence[MeanRow], metric: str) -> Estimate:
    """Return the size at which an arm's gain ends; 0 if the gain is never positive.

    The interval is a parametric bootstrap: gains are drawn from normal distributions.

    Args:
        means: means of one arm, at two sizes or more, in ascending order.
    """
    gains = [row.gains[metric] for row in means]
    x, y = np.log([row.pairs for row in means]), np.array([gain.mean for gain in gains])
    wide = np.array([gain.high - gain.low for gain in gains])
    drawn = np.random.default_rng(12345).normal(y, wide / (2 * Z), (DRAWS, len(y)))
    ends = sorted(_last_crossing(x, each) for each in drawn)
    low, high = (ends[round(share * (DRAWS - 1))] for share in (0.025, 0.975))
    return Estimate(_last_crossing(x, y), low, high)


def equivalent(
    baseline: Sequence[MeanRow], row: MeanRow, metric: str, measure: Measure
) -> Estimate:
    """Return the pairs that the baseline needs to match an arm, with an interval from the gain's.

    Args:
        baseline: means of the baseline, in ascending order of sizes.
        row: the arm's mean at some size.
    """
    sign = 1 if measure.higher_is_better else -1
    # Means may fall by chance, but more pairs are never worth less.
    scores = np.maximum.accumulate([sign * each.scores[metric].mean for each in baseline])
    sizes = np.log([each.pairs for each in baseline])

    def needed(score: float) -> float:
        if score > scores[-1]:
            return math.inf
        return 0.0 if score < scores[0] else float(np.exp(np.interp(score, scores, sizes)))

    own, gain = sign * row.scores[metric].mean, row.gains[metric]
    without = own - gain.mean
    return Estimate(needed(own), needed(without + gain.low), needed(without + gain.high))


def equivalents(
    means: Sequence[MeanRow], baseline: str, metric: str, measure: Measure
) -> dict[tuple[Size, str], Estimate]:
    """Return the pairs that the baseline needs to match each arm with a curve, by size and arm."""
    of_arms = by_arm(means)
    return {
        (row.size, row.arm): equivalent(of_arms[baseline], row, metric, measure)
        for rows in with_curves(means).values()
        for row in rows
    }


def with_curves(means: Sequence[MeanRow]) -> dict[str, list[MeanRow]]:
    """Return the means of each arm that has gains at enough sizes for a curve."""
    of_arms = by_arm([row for row in means if row.gains])
    return {arm: rows for arm, rows in of_arms.items() if len(rows) >= CURVE_SIZES}


def _last_crossing(x: np.ndarray, gains: np.ndarray) -> float:
    """Return the size after which gains stay below 0."""
    if gains[-1] > 0:
        return math.inf
    positive = np.flatnonzero(gains > 0)
    if not len(positive):
        return 0.0
    at = positive[-1]
    share = gains[at] / (gains[at] - gains[at + 1])
    return float(np.exp(x[at] + share * (x[at + 1] - x[at])))


def _parameters(form: Form, x: np.ndarray, y: np.ndarray) -> tuple[float, ...] | None:
    """Fit a form by least squares; return None if the fit doesn't converge."""
    try:
        found, _ = curve_fit(
            form.function, x, y, form.start(x, y), bounds=(form.lower, form.upper), maxfev=5000
        )
    except RuntimeError:
        return None
    return tuple(map(float, found))


def _held_out_error(
    form: Form, x: np.ndarray, y: np.ndarray, left_out: float, score: float
) -> float | None:
    parameters = _parameters(form, x, y)
    if parameters is None:
        return None
    return float(form.function(np.array([left_out]), *parameters)[0] - score)
