"""Scores against corpus size: where a gain ends, how many pairs it is worth, and what form a curve
has."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from nmt_ablation.report.results import Row

DRAWS = 2000
BEYOND = 2
"""How many times the largest size a fit is looked at."""
FITTED_POINTS = 100
Z = 1.959964
"""Half the width of a 95% interval in standard errors."""


@dataclass(frozen=True)
class Estimate:
    """A number of pairs, on a line through what was measured at the logarithms of sizes, with a 95%
    interval. 0: below the smallest size; infinity: beyond the largest."""

    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Form:
    """A learning curve: a score as a function of the number of pairs."""

    name: str
    formula: str
    function: Callable[..., Any]
    start: Callable[[np.ndarray, np.ndarray], Sequence[float]]
    """Where fitting starts, given sizes and scores."""
    lower: Sequence[float]
    """Bounds of the parameters."""
    upper: Sequence[float]


def _logistic(pairs: np.ndarray, top: float, slope: float, middle: float) -> Any:
    return top / (1 + np.exp(-slope * (np.log(pairs) - middle)))


def _exponential(pairs: np.ndarray, top: float, scale: float, power: float) -> Any:
    return top * np.exp(-np.exp(scale) * pairs**-power)


def _top(scores: np.ndarray) -> float:
    """Where the search for the score of endless data starts: within the bounds, which are 100."""
    return min(1.5 * float(scores.max()), 99)


def _power(pairs: np.ndarray, top: float, scale: float, power: float) -> Any:
    return top - np.exp(scale) * pairs**-power


FORMS = (
    Form(
        "logistic",
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
"""The literature's; none is best everywhere, so they are chosen by the size they were not shown."""


@dataclass(frozen=True)
class Fit:
    """A form with its parameters."""

    form: Form
    parameters: tuple[float, ...]
    error: float
    """Root of the mean square in points, each size predicted from all others."""

    def __call__(self, pairs: Sequence[float]) -> list[float]:
        found = self.form.function(np.asarray(pairs, dtype=float), *self.parameters)
        return [float(score) for score in found]


def fit(pairs: Sequence[float], scores: Sequence[float]) -> Fit | None:
    """The form that predicts best the sizes it was not shown; None of fewer than five sizes, of
    which three parameters can't be told."""
    return _fit(tuple(pairs), tuple(scores)) if len(pairs) >= 5 else None


@cache  # words, figure and page ask for the same
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


def fit_means(means: Sequence[Row]) -> Fit | None:
    """The form of an arm's curve of BLEU; None where it can't be told."""
    return fit([row["pairs"] for row in means], [row["bleu"] for row in means])


def fitted(means: Sequence[Row]) -> list[tuple[float, float]]:
    """Points of that form, from the smallest size to beyond the largest; none where it can't be
    told."""
    found = fit_means(means)
    if found is None:
        return []
    pairs = np.geomspace(means[0]["pairs"], BEYOND * means[-1]["pairs"], FITTED_POINTS).tolist()
    return list(zip(pairs, found(pairs), strict=True))


def crossover(means: Sequence[Row]) -> Estimate:
    """Where the gain of an arm ends, with an interval by draws of its means; 0: it is never
    positive.

    Args:
        means: of one arm, at two sizes or more, in ascending order.
    """
    x = np.log([row["pairs"] for row in means])
    y = np.array([row["gain_bleu"] for row in means])
    wide = np.array([row["gain_bleu_high"] - row["gain_bleu_low"] for row in means])
    drawn = np.random.default_rng(12345).normal(y, wide / (2 * Z), (DRAWS, len(y)))
    ends = sorted(_last_crossing(x, gains) for gains in drawn)
    low, high = (ends[round(share * (DRAWS - 1))] for share in (0.025, 0.975))
    return Estimate(_last_crossing(x, y), low, high)


def equivalent(baseline: Sequence[Row], row: Row) -> Estimate:
    """The pairs that the baseline needs to come to what an arm does at some size; the interval is
    that of the arm's gain."""
    # Means may go down by chance; more pairs are never worth less.
    scores = np.maximum.accumulate([each["bleu"] for each in baseline])
    sizes = np.log([each["pairs"] for each in baseline])

    def needed(bleu: float) -> float:
        if bleu > scores[-1]:
            return math.inf
        return 0.0 if bleu < scores[0] else float(np.exp(np.interp(bleu, scores, sizes)))

    without = row["bleu"] - row["gain_bleu"]
    ends = (row[f"gain_bleu_{end}"] for end in ("low", "high"))
    return Estimate(needed(row["bleu"]), *(needed(without + gain) for gain in ends))


def _last_crossing(x: np.ndarray, gains: np.ndarray) -> float:
    """The size at which gains go below 0 for good."""
    if gains[-1] > 0:
        return math.inf
    positive = np.flatnonzero(gains > 0)
    if not len(positive):
        return 0.0
    at = positive[-1]
    share = gains[at] / (gains[at] - gains[at + 1])
    return float(np.exp(x[at] + share * (x[at + 1] - x[at])))


def _parameters(form: Form, x: np.ndarray, y: np.ndarray) -> tuple[float, ...] | None:
    """By least squares; None if that doesn't converge."""
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
