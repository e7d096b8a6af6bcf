"""Scores of one system, with the statistics of sentences that they come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from nmt_ablation.errors import UserError
from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.test_sets import Weights, on

STATISTICS = "statistics.npz"
"""The file of each metric's statistics of sentences: sentences x statistics."""

Statistics = Mapping[str, np.ndarray]
"""The statistics of a system's sentences: sentences x statistics, by metric, or by METRIC@SET where
test sets are several."""


class Score(BaseModel):
    """A score of a corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    value: float
    signature: str
    """The settings on which the score depends."""


class Scored(BaseModel):
    """The scores of a system by outcome."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scores: dict[str, Score]
    empty_hypotheses: int
    warnings: list[str]
    """Signs of a model that is broken."""


def score(
    metrics: Mapping[str, Metric],
    hypotheses: Sequence[str],
    references: Sequence[str],
    sources: Sequence[str],
) -> tuple[Scored, Statistics]:
    """Score a system by each metric; broken output is scored too, with a warning.

    Raises:
        UserError: there are not as many hypotheses as references, or a metric fails.
    """
    if len(hypotheses) != len(references):
        raise UserError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    statistics = {
        name: metric.statistics(hypotheses, references, sources) for name, metric in metrics.items()
    }
    scores = {
        name: Score(value=metric.value(statistics[name].sum(0)), signature=metric.signature)
        for name, metric in metrics.items()
    }
    empty = sum(not hypothesis.strip() for hypothesis in hypotheses)
    warnings = [f"{empty} of {len(hypotheses)} hypotheses are empty"] if empty else []
    if len(hypotheses) > 1 and len(set(hypotheses)) == 1:
        warnings.append("all hypotheses are the same: the model has learnt nothing")
    else:
        said = (metric.warning(scores[name].value) for name, metric in metrics.items())
        warnings += [warning for warning in said if warning]
    return Scored(scores=scores, empty_hypotheses=empty, warnings=warnings), statistics


def combined(
    metrics: Mapping[str, Metric], found: Mapping[str, tuple[Scored, Statistics]], weights: Weights
) -> tuple[Scored, Statistics]:
    """Return a system's scores on several test sets as those of one, with all outcomes.

    Args:
        found: the scores and statistics on each set.
    """
    if not weights:
        (only,) = found.values()
        return only
    whole = sum(weights.values())
    named = ", ".join(f"{name} {weight / whole:.3g}" for name, weight in weights.items())
    scores = dict[str, Score]()
    for name in metrics:
        of_sets = {test_set: scored.scores[name] for test_set, (scored, _) in found.items()}
        mean = sum(weights[test_set] * it.value for test_set, it in of_sets.items()) / whole
        settings = next(iter(of_sets.values())).signature
        scores[name] = Score(value=mean, signature=f"{settings}|mean of {named}")
        scores |= {on(name, test_set): it for test_set, it in of_sets.items()}
    scored = Scored(
        scores=scores,
        empty_hypotheses=sum(it.empty_hypotheses for it, _ in found.values()),
        warnings=[f"{name}: {said}" for name, (it, _) in found.items() for said in it.warnings],
    )
    statistics = {
        on(name, test_set): of_sentences
        for test_set, (_, of_set) in found.items()
        for name, of_sentences in of_set.items()
    }
    return scored, statistics


def save_statistics(statistics: Statistics, folder: Path) -> None:
    """Write the statistics of a system's sentences into a folder."""
    np.savez_compressed(folder / STATISTICS, allow_pickle=False, **statistics)


def load_statistics(folder: Path) -> Statistics:
    """Read the statistics of a system's sentences from a folder."""
    with np.load(folder / STATISTICS) as found:
        return {name: found[name] for name in found.files}
