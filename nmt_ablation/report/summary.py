"""What the seeds of an arm come to at each size: means, intervals, and what a gain is worth."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from rich.console import Console
from rich.progress import track

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

AGREEMENT = {
    "bleu": ((0, 0.78, 1.39, 2.34, 3.35), (0.5, 0.6, 0.7, 0.8, 0.85)),
    "chrf": ((0, 0.54, 1.0, 1.63, 2.12), (0.5, 0.6, 0.7, 0.8, 0.85)),
}
"""Differences between two systems, and how often people then prefer the same one (Kocmi et al.
2024)."""

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


def summarise(pipeline: Pipeline, workspace: Workspace, rows: Sequence[Row]) -> list[Row]:
    """A row for each size and arm, in the order of `rows`.

    Means are over the seeds of which arm and baseline are finished, so that all is compared with
    the same; the p of a gain is corrected for all the comparisons of the report.
    """
    baseline = pipeline.experiment.baseline
    paired = [row for row in rows if row["gain_bleu"] is not None]
    console = Console(stderr=True)
    resampled = {}
    for row in track(paired, "resampling the test set", console=console, transient=True):
        cell = cell_of(row)
        with np.load(workspace.ensure(pipeline.resamples(cell)) / RESAMPLES) as found:
            resampled[cell] = {metric: found[metric] for metric in METRICS}
    means = []
    for size, of_size in groupby(paired, key=lambda row: row["size"]):
        pairs: dict[str, list[int]] = {}
        scores: dict[str, dict[int, dict[str, np.ndarray]]] = {}
        for row in of_size:
            pairs.setdefault(row["arm"], []).append(row["pairs"])
            scores.setdefault(row["arm"], {})[row["seed"]] = resampled[cell_of(row)]
        for arm, of_arm in scores.items():
            mean: Row = {"size": size, "arm": arm, "seeds": len(of_arm)}
            mean["pairs"] = round(np.mean(pairs[arm]))
            for metric in METRICS:
                own, gain = _intervals(scores, arm, baseline, metric)
                mean |= _columns(metric, own) | _columns(f"gain_{metric}", gain)
                mean[f"gain_{metric}_p_alone"] = gain and gain.p
            means.append(mean)
    return with_corrected(means, baseline)


def with_corrected(means: Sequence[Row], baseline: str) -> list[Row]:
    """The rows, with each gain's p corrected for all the comparisons among them."""
    found = [row | {f"gain_{metric}_p": None for metric in METRICS} for row in means]
    compared = [row for row in found if row["arm"] != baseline]
    for metric in METRICS:
        p_values = corrected([row[f"gain_{metric}_p_alone"] for row in compared])
        for row, p in zip(compared, p_values, strict=True):
            row[f"gain_{metric}_p"] = p
    return found


def _intervals(
    scores: dict[str, dict[int, dict[str, np.ndarray]]], arm: str, baseline: str, metric: str
) -> tuple[Interval, Interval | None]:
    """Of an arm's mean and its gain, at one size; `scores` are of arms, seeds and metrics."""
    seeds = sorted(scores[arm])
    own, theirs = (np.array([scores[it][seed][metric] for seed in seeds]) for it in (arm, baseline))
    # What differs from seed to seed is told from all arms that have these seeds.
    table = np.array(
        [
            [of_arm[seed][metric][0] for seed in seeds]
            for of_arm in scores.values()
            if of_arm.keys() >= scores[arm].keys()
        ]
    )
    mean = interval(own, spread_of_scores(table))
    if arm == baseline:
        return mean, None
    return mean, interval(own - theirs, spread_of_gains(table))


def _columns(name: str, interval: Interval | None) -> Row:
    if interval is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def agreement(metric: str, difference: float) -> float:
    """How often people prefer the system that is so much better; 0.85 stands for all above it."""
    return float(np.interp(abs(difference), *AGREEMENT[metric]))
