"""The outcomes of an experiment with several test sets: each metric on each set, and pooled.

The pooled score is the mean of the sets' scores by declared weights, and stands under the metric's
name. The score on one set stands under METRIC@SET.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from nmt_ablation.scoring.metric import Measure, Metric

SEED = 12345
"""sacreBLEU's seed."""

Weights = Mapping[str, float]
"""The weights of test sets by name; empty where there is one set, which needs no name."""


@dataclass(frozen=True)
class Part:
    """The share of one test set in an outcome."""

    statistics: str
    """The key of its statistics of sentences."""
    share: float
    seed: int
    """The seed of its resamples: sets of equal length must not be resampled alike."""


@dataclass(frozen=True)
class Outcome:
    """A metric on one test set, or on several."""

    metric: Metric
    parts: tuple[Part, ...]


def on(metric: str, test_set: str) -> str:
    """Return the name of a metric's outcome on one of several test sets."""
    return f"{metric}@{test_set}"


def outcomes(metrics: Mapping[str, Metric], weights: Weights) -> dict[str, Outcome]:
    """Return all outcomes by name: of each metric the pooled one, and then the one on each set."""
    if not weights:
        return {name: Outcome(it, (Part(name, 1.0, SEED),)) for name, it in metrics.items()}
    whole, found = sum(weights.values()), dict[str, Outcome]()
    for name, metric in metrics.items():
        parts = {
            test_set: Part(on(name, test_set), weight / whole, _seed(test_set))
            for test_set, weight in weights.items()
        }
        found[name] = Outcome(metric, tuple(parts.values()))
        found |= {
            part.statistics: Outcome(metric, (Part(part.statistics, 1.0, part.seed),))
            for part in parts.values()
        }
    return found


def measures(of_metrics: Mapping[str, Measure], weights: Weights) -> dict[str, Measure]:
    """Return the facts about all outcomes for a report: pooled ones, and then those of each set."""
    found = dict(of_metrics)
    for test_set in weights:
        for name, measure in of_metrics.items():
            label = f"{measure.label}, {test_set}"
            found[on(name, test_set)] = measure.model_copy(
                update={"label": label, "test_set": test_set, "smallest_gain": None}
            )
    return found


def _seed(test_set: str) -> int:
    return int.from_bytes(hashlib.sha256(test_set.encode()).digest()[:4], "big")
