"""Scores of one system, with the statistics of sentences that they come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from nmt_ablation.errors import UserError
from nmt_ablation.scoring.metric import Metric

STATISTICS = "statistics.npz"
"""The file of each metric's statistics of sentences: sentences x statistics."""

Statistics = Mapping[str, np.ndarray]
"""The statistics of a system's sentences by metric: sentences x statistics."""


class Score(BaseModel):
    """A score of a corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    value: float
    signature: str
    """The settings on which the score depends."""


class Scored(BaseModel):
    """The scores of a system by metric."""

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


def save_statistics(statistics: Statistics, folder: Path) -> None:
    """Write the statistics of a system's sentences into a folder."""
    np.savez_compressed(folder / STATISTICS, allow_pickle=False, **statistics)


def load_statistics(folder: Path) -> Statistics:
    """Read the statistics of a system's sentences from a folder."""
    with np.load(folder / STATISTICS) as found:
        return {name: found[name] for name in found.files}
