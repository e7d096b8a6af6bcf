"""Paired tests of two systems, and scores on resamples of a test set, for any metric."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.score import Statistics

RESAMPLES = "resamples.npz"
"""The file of each metric's score on the test set, and then on its resamples."""
COUNT = 1000
"""Resamples of a test set: as many as sacreBLEU's paired bootstrap takes."""
TRIALS = 10_000
"""Trials of approximate randomisation: as many as sacreBLEU's."""
SEED = 12345
"""sacreBLEU's seed."""

Scores = Mapping[str, np.ndarray]
"""The score on the test set and on COUNT resamples of it, which are the same for all systems, by
metric."""


class PairedTest(BaseModel):
    """p-values of the difference between two systems on other sentences, not of other seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bootstrap: float
    """p by the paired bootstrap (Koehn 2004)."""
    randomisation: float
    """p by approximate randomisation (Riezler and Maxwell 2005)."""


def resampled(metrics: Mapping[str, Metric], statistics: Statistics) -> Scores:
    """Score a system on the test set, and on resamples of it with replacement (Koehn 2004)."""
    return {
        name: _values(metric, _times(len(statistics[name])) @ statistics[name])
        for name, metric in metrics.items()
    }


def save_scores(scores: Scores, folder: Path) -> None:
    """Write a system's scores on resamples into a folder."""
    np.savez(folder / RESAMPLES, allow_pickle=False, **scores)


def load_scores(folder: Path) -> Scores:
    """Read a system's scores on resamples from a folder."""
    with np.load(folder / RESAMPLES) as found:
        return {name: found[name] for name in found.files}


def compare(
    metrics: Mapping[str, Metric], baseline: Statistics, arm: Statistics
) -> dict[str, PairedTest]:
    """Test by each metric whether two systems differ, with sacreBLEU's procedures and seed."""
    return {
        name: PairedTest(
            bootstrap=_bootstrap(metric, baseline[name], arm[name]),
            randomisation=_randomisation(metric, baseline[name], arm[name]),
        )
        for name, metric in metrics.items()
    }


def _times(count: int) -> np.ndarray:
    """Return how many times each sentence stands in the test set and its resamples."""
    times = np.ones((1 + COUNT, count))
    draw = np.random.default_rng(SEED)
    times[1:] = draw.multinomial(count, np.full(count, 1 / count), size=COUNT)
    return times


def _values(metric: Metric, sums: np.ndarray) -> np.ndarray:
    return np.array([metric.value(each) for each in sums])


def _bootstrap(metric: Metric, baseline: np.ndarray, arm: np.ndarray) -> float:
    if np.array_equal(baseline, arm):
        return 1.0
    chosen = np.random.default_rng(SEED).choice(len(arm), size=(COUNT, len(arm)), replace=True)
    times = np.array([np.bincount(each, minlength=len(arm)) for each in chosen], dtype=float)
    drawn = np.abs(_values(metric, times @ arm) - _values(metric, times @ baseline))
    return _share_above(drawn - drawn.mean(), _difference(metric, baseline, arm))


def _randomisation(metric: Metric, baseline: np.ndarray, arm: np.ndarray) -> float:
    if np.array_equal(baseline, arm):
        return 1.0
    draw = np.random.default_rng(SEED)
    kept = draw.integers(2, size=(TRIALS, len(arm)), dtype=bool).astype(float)
    whole, swapped = baseline.sum(0) + arm.sum(0), kept @ (baseline - arm) + arm.sum(0)
    drawn = np.abs(_values(metric, swapped) - _values(metric, whole - swapped))
    return _share_above(drawn, _difference(metric, baseline, arm))


def _difference(metric: Metric, baseline: np.ndarray, arm: np.ndarray) -> float:
    return abs(metric.value(baseline.sum(0)) - metric.value(arm.sum(0)))


def _share_above(drawn: np.ndarray, difference: float) -> float:
    return float((np.sum(drawn > difference) + 1) / (len(drawn) + 1))
