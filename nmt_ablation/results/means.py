"""Means over seeds, gains over the baseline and contrasts of two arms, with intervals and p."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TypeVar

import numpy as np

from nmt_ablation.experiment import Cell
from nmt_ablation.results.rows import CellRow, ContrastRow, Gain, MeanRow, MeanScore
from nmt_ablation.results.statistics import (
    Interval,
    corrected,
    interval,
    spread_of_gains,
    spread_of_scores,
)
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.resample import Scores

Resamples = Mapping[Cell, Scores]
"""The scores of cells on the test set and on its resamples, the same for all cells."""
Seeds = dict[str, dict[int, Scores]]
"""The scores of one size, by arm and seed."""
Compared = TypeVar("Compared", MeanRow, ContrastRow)


def summarise(
    rows: Sequence[CellRow],
    resamples: Resamples,
    baseline: str,
    measures: Mapping[str, Measure],
    comparisons: int,
) -> list[MeanRow]:
    """Return a row for each size and arm, in the order of `rows`.

    Means are over the seeds for which both arm and baseline are finished, so that gains are paired.

    Args:
        comparisons: the number of comparisons that p-values of gains are corrected for.
    """
    means = []
    for size, of_size in groupby(rows, key=lambda row: row.size):
        scores, pairs = _scores([row for row in of_size if row.gains], resamples)
        for arm, of_arm in scores.items():
            seeds = sorted(of_arm)
            own, gains = dict[str, MeanScore](), dict[str, Gain]()
            for name, measure in measures.items():
                spread = spread_of_scores(_table(scores, seeds, name))
                own[name] = _possible(interval(_stacked(scores, arm, seeds, name), spread), measure)
                if arm != baseline:
                    gains[name] = _gain(scores, arm, baseline, seeds, name, measure)
            mean = MeanRow(
                size=size, pairs=pairs[arm], arm=arm, seeds=len(seeds), scores=own, gains=gains
            )
            means.append(mean)
    return with_corrected(means, comparisons)


def contrast(
    rows: Sequence[CellRow],
    resamples: Resamples,
    asked: Sequence[tuple[str, str]],
    measures: Mapping[str, Measure],
    comparisons: int,
) -> list[ContrastRow]:
    """Return a row for each size and contrast of two arms.

    Gains are the first arm's, over the seeds for which both arms are finished.
    """
    found = []
    for size, of_size in groupby(rows, key=lambda row: row.size):
        scores, pairs = _scores(list(of_size), resamples)
        for arm, other in asked:
            seeds = sorted(scores.get(arm, {}).keys() & scores.get(other, {}).keys())
            if not seeds:
                continue
            gains = {
                name: _gain(scores, arm, other, seeds, name, measure)
                for name, measure in measures.items()
            }
            row = ContrastRow(
                size=size, pairs=pairs[arm], arm=arm, other=other, seeds=len(seeds), gains=gains
            )
            found.append(row)
    return with_corrected(found, comparisons)


def with_corrected(rows: Sequence[Compared], comparisons: int) -> list[Compared]:
    """Return the rows with p-values corrected for a number of comparisons.

    The number covers all comparisons that an experiment asks for, finished or not, so that further
    cells don't make a significant gain insignificant by the correction alone.
    """
    p_values: dict[str, list[float]] = {}
    for row in rows:
        for name, gain in row.gains.items():
            p_values.setdefault(name, []).append(gain.p_alone)
    after = {name: iter(corrected(each, comparisons)) for name, each in p_values.items()}
    return [
        row.model_copy(
            update={
                "gains": {
                    name: gain.model_copy(update={"p": next(after[name])})
                    for name, gain in row.gains.items()
                }
            }
        )
        for row in rows
    ]


def _scores(rows: Sequence[CellRow], resamples: Resamples) -> tuple[Seeds, dict[str, int]]:
    """Return the scores of the cells of one size, and the number of pairs of each arm."""
    scores: Seeds = {}
    pairs: dict[str, list[int]] = {}
    for row in rows:
        scores.setdefault(row.arm, {})[row.seed] = resamples[row.cell]
        pairs.setdefault(row.arm, []).append(row.pairs)
    return scores, {arm: round(np.mean(each)) for arm, each in pairs.items()}


def _gain(
    scores: Seeds, arm: str, other: str, seeds: Sequence[int], metric: str, measure: Measure
) -> Gain:
    """Return the gain of one arm over another over the same seeds, with an uncorrected p."""
    own, theirs = (_stacked(scores, it, seeds, metric) for it in (arm, other))
    all_seeds = sorted(set().union(*scores.values()))
    table = [[_score(of_arm, seed, metric) for seed in all_seeds] for of_arm in scores.values()]
    gains = own - theirs if measure.higher_is_better else theirs - own
    found = interval(gains, spread_of_gains(np.array(table)))
    return Gain(mean=found.mean, low=found.low, high=found.high, p_alone=found.p, p=found.p)


def _score(of_arm: Mapping[int, Scores], seed: int, metric: str) -> float:
    return float(of_arm[seed][metric][0]) if seed in of_arm else np.nan


def _stacked(scores: Seeds, arm: str, seeds: Sequence[int], metric: str) -> np.ndarray:
    return np.array([scores[arm][seed][metric] for seed in seeds])


def _table(scores: Seeds, seeds: Sequence[int], metric: str) -> np.ndarray:
    """Return the scores (arms x seeds) of all arms that have these seeds, to pool the variance."""
    return np.array(
        [
            [of_arm[seed][metric][0] for seed in seeds]
            for of_arm in scores.values()
            if of_arm.keys() >= set(seeds)
        ]
    )


def _possible(found: Interval, measure: Measure) -> MeanScore:
    """Clip a score's interval to the range of scores, which a wide interval can exceed."""
    low, high = measure.clipped(found.low), measure.clipped(found.high)
    return MeanScore(mean=found.mean, low=low, high=high)
