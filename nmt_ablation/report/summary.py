"""What the seeds of an arm come to at each size: means, intervals, and what a gain is worth."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import track

from nmt_ablation.pipeline import METRICS, Pipeline
from nmt_ablation.report.results import Row
from nmt_ablation.statistics import corrected
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
        for what, parts in (("", ("", "_low", "_high")), ("gain_", ("", "_low", "_high", "_p")))
        for part in parts
    ),
]


def summarise(pipeline: Pipeline, workspace: Workspace, rows: Sequence[Row]) -> list[Row]:
    """A row for each size and arm, in the order of `rows`.

    A gain is over the seeds of which arm and baseline are finished; its p is corrected for all the
    comparisons of the report.
    """
    baseline = pipeline.experiment.baseline
    found = []
    means = list(dict.fromkeys((row["size"], row["arm"]) for row in rows))
    console = Console(stderr=True)
    for size, arm in track(means, "intervals of the means", console=console, transient=True):
        of_arm = [row for row in rows if (row["size"], row["arm"]) == (size, arm)]
        paired = [row for row in of_arm if row["gain_bleu"] is not None]
        if not paired:
            continue
        seeds = [row["seed"] for row in paired]
        step = pipeline.interval(size, arm, seeds)
        workspace.ensure(step)
        record = workspace.record(step)
        summary: Row = {"size": size, "arm": arm, "seeds": len(seeds)}
        summary["pairs"] = round(np.mean([row["pairs"] for row in paired]))
        for metric in METRICS:
            for what, prefix in (("score", ""), ("gain", "gain_")):
                interval = record[metric].get(what, {})
                for part, name in (("mean", ""), ("low", "_low"), ("high", "_high"), ("p", "_p")):
                    summary[f"{prefix}{metric}{name}"] = interval.get(part)
        found.append(summary)
    for metric in METRICS:
        compared = [row for row in found if row["arm"] != baseline]
        p_values = corrected([row[f"gain_{metric}_p"] for row in compared])
        for row, p in zip(compared, p_values, strict=True):
            row[f"gain_{metric}_p"] = p
    return found


def agreement(metric: str, difference: float) -> float:
    """How often people prefer the system that is so much better; 0.85 stands for all above it."""
    return float(np.interp(abs(difference), *AGREEMENT[metric]))
