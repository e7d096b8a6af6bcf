"""What the seeds of an arm come to at each size: means, intervals, and what a gain is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from rich.console import Console
from rich.progress import track

from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import METRICS, RESAMPLES, Pipeline
from nmt_ablation.report.results import Row, cell_of
from nmt_ablation.statistics import (
    Interval,
    corrected,
    interval,
    spread_of_gains,
    spread_of_scores,
)
from nmt_ablation.workspace import Workspace

AGREEMENT = (0, 0.78, 1.39, 2.34, 3.35), (0.5, 0.6, 0.7, 0.8, 0.85)
"""Differences in BLEU between two systems, and how often people then prefer the same one (Kocmi et
al. 2024)."""
BEST = 100.0
"""No score is higher, and none below 0."""
MOST = AGREEMENT[1][-1]
"""What larger differences come to isn't known."""

COLUMNS = [
    *("size", "pairs", "arm", "seeds"),
    *(
        f"{what}{metric}{part}"
        for metric in METRICS
        for what, parts in (
            ("", ("", "_low", "_high")),
            ("gain_", ("", "_low", "_high", "_p_alone", "_p")),
        )
        for part in parts
    ),
]


Drawn = Mapping[Cell, Mapping[str, np.ndarray]]
"""Of each cell and metric the score on the test set, and on resamples of it that are the same for
all cells."""
Scores = dict[str, dict[int, Mapping[str, np.ndarray]]]
"""The same of one size, by arms and seeds."""


def resampled(pipeline: Pipeline, workspace: Workspace, rows: Sequence[Row]) -> Drawn:
    """Of finished cells."""
    console = Console(stderr=True)
    drawn = {}
    for row in track(rows, "resampling the test set", console=console, transient=True):
        cell = cell_of(row)
        with np.load(workspace.ensure(pipeline.resamples(cell)) / RESAMPLES) as found:
            drawn[cell] = {metric: found[metric] for metric in METRICS}
    return drawn


def summarise(rows: Sequence[Row], drawn: Drawn, baseline: str, comparisons: int) -> list[Row]:
    """A row for each size and arm, in the order of `rows`.

    Means are over the seeds of which arm and baseline are finished, so that all is compared with
    the same.

    Args:
        comparisons: that the p of a gain is corrected for.
    """
    means = []
    for size, of_size in groupby(rows, key=lambda row: row["size"]):
        paired = [row for row in of_size if row["gain_bleu"] is not None]
        scores, pairs = _scores(paired, drawn)
        for arm, of_arm in scores.items():
            seeds = sorted(of_arm)
            mean: Row = {"size": size, "arm": arm, "seeds": len(seeds), "pairs": pairs[arm]}
            for metric in METRICS:
                own = _stacked(scores, arm, seeds, metric)
                found = _possible(interval(own, spread_of_scores(_table(scores, seeds, metric))))
                gain = None if arm == baseline else _gain(scores, arm, baseline, seeds, metric)
                mean |= _columns(metric, found) | _columns(f"gain_{metric}", gain)
                mean[f"gain_{metric}_p_alone"] = gain and gain.p
            means.append(mean)
    return with_corrected(means, comparisons)


def contrast(
    rows: Sequence[Row], drawn: Drawn, asked: Sequence[tuple[str, str]], comparisons: int
) -> list[Row]:
    """A row for each size and pair of arms that are to be compared with each other: what the first
    is better by, over the seeds of which both are finished. Arguments as above."""
    found = []
    for size, of_size in groupby(rows, key=lambda row: row["size"]):
        scores, pairs = _scores(list(of_size), drawn)
        for arm, other in asked:
            seeds = sorted(scores.get(arm, {}).keys() & scores.get(other, {}).keys())
            if not seeds:
                continue
            row: Row = {"size": size, "arm": arm, "other": other, "seeds": len(seeds)}
            row["pairs"] = pairs[arm]
            for metric in METRICS:
                gain = _gain(scores, arm, other, seeds, metric)
                row |= _columns(f"gain_{metric}", gain) | {f"gain_{metric}_p_alone": gain.p}
            found.append(row)
    return with_corrected(found, comparisons)


def with_corrected(rows: Sequence[Row], comparisons: int) -> list[Row]:
    """The rows, with each gain's p corrected for so many comparisons: all that an experiment asks
    for, finished or not, so that a sure gain stays sure while it goes on."""
    found = [row | {f"gain_{metric}_p": None for metric in METRICS} for row in rows]
    compared = [row for row in found if row["gain_bleu"] is not None]
    for metric in METRICS:
        p_values = corrected([row[f"gain_{metric}_p_alone"] for row in compared], comparisons)
        for row, p in zip(compared, p_values, strict=True):
            row[f"gain_{metric}_p"] = p
    return found


def _scores(rows: Sequence[Row], drawn: Drawn) -> tuple[Scores, dict[str, int]]:
    """Of the cells of one size; and the pairs of each arm, a mean where samples go by tokens."""
    scores: Scores = {}
    pairs: dict[str, list[int]] = {}
    for row in rows:
        scores.setdefault(row["arm"], {})[row["seed"]] = drawn[cell_of(row)]
        pairs.setdefault(row["arm"], []).append(row["pairs"])
    return scores, {arm: round(np.mean(each)) for arm, each in pairs.items()}


def _gain(scores: Scores, arm: str, other: str, seeds: Sequence[int], metric: str) -> Interval:
    """Of one arm over another in the same seeds."""
    own, theirs = (_stacked(scores, it, seeds, metric) for it in (arm, other))
    all_seeds = sorted(set().union(*scores.values()))
    table = [[_score(of_arm, seed, metric) for seed in all_seeds] for of_arm in scores.values()]
    return interval(own - theirs, spread_of_gains(np.array(table)))


def _score(of_arm: Mapping[int, Mapping[str, np.ndarray]], seed: int, metric: str) -> float:
    return float(of_arm[seed][metric][0]) if seed in of_arm else np.nan


def _stacked(scores: Scores, arm: str, seeds: Sequence[int], metric: str) -> np.ndarray:
    return np.array([scores[arm][seed][metric] for seed in seeds])


def _table(scores: Scores, seeds: Sequence[int], metric: str) -> np.ndarray:
    """Arms x seeds, of all arms that have these seeds: what differs from seed to seed is told from
    all of them."""
    return np.array(
        [
            [of_arm[seed][metric][0] for seed in seeds]
            for of_arm in scores.values()
            if of_arm.keys() >= set(seeds)
        ]
    )


def _possible(score: Interval) -> Interval:
    """Of a score's interval what is one: few seeds reach far."""
    return replace(score, low=max(score.low, 0.0), high=min(score.high, BEST))


def _columns(name: str, interval: Interval | None) -> Row:
    if interval is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def agreement(difference: float) -> float:
    """How often people prefer the system that has so much more BLEU; MOST stands for all above."""
    return float(np.interp(abs(difference), *AGREEMENT))
