"""Paired tests of two systems, and scores on resamples of a test set, for any metric."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.score import Statistics
from nmt_ablation.scoring.test_sets import Outcome, Part, Weights, outcomes

RESAMPLES = "resamples.npz"
"""The file of each metric's score on the test set, and then on its resamples."""
COUNT = 1000
"""Resamples of a test set: as many as sacreBLEU's paired bootstrap takes."""
TRIALS = 10_000
"""Trials of approximate randomisation: as many as sacreBLEU's."""

Scores = Mapping[str, np.ndarray]
"""The score on the test set and on COUNT resamples of it, which are the same for all systems, by
outcome."""
Systems = tuple[np.ndarray, np.ndarray]
"""The statistics of two systems' sentences: each sentences x statistics."""


class PairedTest(BaseModel):
    """p-values of the difference between two systems on other sentences, not of other seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bootstrap: float
    """p by the paired bootstrap (Koehn 2004)."""
    randomisation: float
    """p by approximate randomisation (Riezler and Maxwell 2005)."""


def resampled(
    metrics: Mapping[str, Metric], statistics: Statistics, weights: Weights | None = None
) -> Scores:
    """Score a system on the test set, and on resamples of it with replacement (Koehn 2004).

    Each of several test sets is resampled apart.
    """

    def of_part(metric: Metric, part: Part) -> np.ndarray:
        of_sentences = statistics[part.statistics]
        return _values(metric, _times(len(of_sentences), part.seed) @ of_sentences)

    return {
        name: np.sum([part.share * of_part(it.metric, part) for part in it.parts], axis=0)
        for name, it in outcomes(metrics, weights or {}).items()
    }


def save_scores(scores: Scores, folder: Path) -> None:
    """Write a system's scores on resamples into a folder."""
    np.savez(folder / RESAMPLES, allow_pickle=False, **scores)


def load_scores(folder: Path) -> Scores:
    """Read a system's scores on resamples from a folder."""
    with np.load(folder / RESAMPLES) as found:
        return {name: found[name] for name in found.files}


def compare(
    metrics: Mapping[str, Metric],
    baseline: Statistics,
    arm: Statistics,
    weights: Weights | None = None,
) -> dict[str, PairedTest]:
    """Test by each outcome whether two systems differ, with sacreBLEU's procedures and seed."""
    return {
        name: _tested(it, baseline, arm) for name, it in outcomes(metrics, weights or {}).items()
    }


def _tested(outcome: Outcome, baseline: Statistics, arm: Statistics) -> PairedTest:
    metric, parts = outcome.metric, outcome.parts
    found = [(baseline[part.statistics], arm[part.statistics]) for part in parts]
    if all(np.array_equal(*both) for both in found):
        return PairedTest(bootstrap=1.0, randomisation=1.0)
    difference = 0.0
    drawn, swapped = np.zeros(COUNT), np.zeros(TRIALS)
    for part, both in zip(parts, found, strict=True):
        one, other = (metric.value(of_sentences.sum(0)) for of_sentences in both)
        difference += part.share * (other - one)
        drawn += part.share * _bootstrap(metric, both, part.seed)
        swapped += part.share * _randomisation(metric, both, part.seed)
    drawn = np.abs(drawn)
    return PairedTest(
        bootstrap=_share_above(drawn - drawn.mean(), abs(difference)),
        randomisation=_share_above(np.abs(swapped), abs(difference)),
    )


def _times(count: int, seed: int) -> np.ndarray:
    """Return how many times each sentence stands in the test set and its resamples."""
    times = np.ones((1 + COUNT, count))
    draw = np.random.default_rng(seed)
    times[1:] = draw.multinomial(count, np.full(count, 1 / count), size=COUNT)
    return times


def _values(metric: Metric, sums: np.ndarray) -> np.ndarray:
    return np.array([metric.value(each) for each in sums])


def _bootstrap(metric: Metric, both: Systems, seed: int) -> np.ndarray:
    """Return the difference of two systems on each resample."""
    baseline, arm = both
    chosen = np.random.default_rng(seed).choice(len(arm), size=(COUNT, len(arm)), replace=True)
    times = np.array([np.bincount(each, minlength=len(arm)) for each in chosen], dtype=float)
    found: np.ndarray = _values(metric, times @ arm) - _values(metric, times @ baseline)
    return found


def _randomisation(metric: Metric, both: Systems, seed: int) -> np.ndarray:
    """Return the difference of two systems in each trial, of which sentences swap at random."""
    baseline, arm = both
    draw = np.random.default_rng(seed)
    kept = draw.integers(2, size=(TRIALS, len(arm)), dtype=bool).astype(float)
    whole, swapped = baseline.sum(0) + arm.sum(0), kept @ (baseline - arm) + arm.sum(0)
    found: np.ndarray = _values(metric, swapped) - _values(metric, whole - swapped)
    return found


def _share_above(drawn: np.ndarray, difference: float) -> float:
    return float((np.sum(drawn > difference) + 1) / (len(drawn) + 1))
