"""Decided comparisons per update, by the regime of the first study and by that of today.

  python recipes/benchmarks/regimes.py --mirror DIR --data DIR --workspace DIR

Before: patience of 6, one test set, three seeds. Today: equally long trainings with a falling
learning rate and averaged checkpoints, four test sets, and seeds until all is decided. Both are
judged by today's statistics, as one comparison of an arm with the baseline or of two arms. The goal
was laid down before any of it ran: four times as many decided comparisons per update.

Cost is counted in updates, which are the same work in both. It leaves out pretraining, which both
share, and the translation of test sets. The script goes on from where it was stopped.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from sides import parser, run

from nmt_ablation.experiment.file import load
from nmt_ablation.places import Places
from nmt_ablation.results.gather import gather
from nmt_ablation.results.results import Results
from nmt_ablation.results.verdict import VERDICTS, decide, decide_contrasts
from nmt_ablation.runner import Runner
from nmt_ablation.workspace import Workspace

BEFORE = {"seeds": [4, 5, 6]}
TODAY = {
    "training": {
        "batch_tokens": 1024,
        "learning_rate": 0.002,
        "warmup_updates": 500,
        "max_updates_at": {"1k": 3000, "4k": 6000},
        "validate_every": 250,
        "schedule": "fixed",
        "average": 4,
    },
    "verdict": {"looks": [3, 4, 6, 8]},
}


def main() -> None:
    options = parser(__doc__, "regimes.yaml")
    options.add_argument("--jobs", type=int, default=1, help="cells at once")
    given = options.parse_args()
    given.workspace.mkdir(parents=True, exist_ok=True)
    before: dict[str, Any] = YAML(typ="safe").load(given.experiment) | BEFORE
    tests = before["held_out"]["test"]
    before["held_out"] = before["held_out"] | {"test": next(iter(tests.values()))}
    today = YAML(typ="safe").load(given.experiment) | TODAY
    found = {
        "before": trained("before", before, given),
        "today": trained("today", today, given, "--until-decided"),
    }
    head = ["regime", "seeds", "cells", "comparisons", "better", "worse", "equivalent", "decided"]
    head += ["updates", "decided per 100,000 updates"]
    print(f"| {' | '.join(head)} |\n| --- |{' ---: |' * (len(head) - 1)}")
    for regime, results in found.items():
        print(line(regime, results))
    before_rate, rate = (decided(results) / updates(results) for results in found.values())
    print(f"\nToday's decides {rate / before_rate:.1f} times as many per update.")


def trained(
    regime: str, experiment: Mapping[str, Any], given: argparse.Namespace, *options: str
) -> Results:
    """Run an experiment by a regime, and return its results."""
    path = given.workspace / f"regime-{regime}.yaml"
    with path.open("w", encoding="utf-8") as text:
        YAML(typ="safe").dump(dict(experiment) | {"name": f"regime-{regime}"}, text)
    where = ["--mirror", given.mirror, "--data", given.data, "--workspace", given.workspace]
    command = ["nmt-ablation", "run", path, *where, "--jobs", given.jobs, *options]
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)
    workspace = Workspace(given.workspace)
    runner = Runner(load(path), Places(mirror=given.mirror, data=given.data), workspace)
    return gather(runner.pipeline, workspace, "regimes")


def updates(results: Results) -> int:
    """Return the updates of all cells."""
    return sum(row.training.updates for row in results.cells)


def counts(results: Results) -> dict[str, int]:
    """Return the number of comparisons by verdict."""
    found = [
        decision.of(row)
        for decision in (*decide(results), *decide_contrasts(results))
        for row in decision.rows
    ]
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def decided(results: Results) -> int:
    """Return the number of comparisons that are decided."""
    return sum(number for verdict, number in counts(results).items() if verdict != "open")


def line(regime: str, results: Results) -> str:
    """Return a regime's line of the table."""
    of_kinds, seeds = counts(results), [row.seeds for row in results.means]
    kinds = " | ".join(str(of_kinds[kind]) for kind in VERDICTS if kind != "open")
    per_update = 100_000 * decided(results) / updates(results)
    return (
        f"| {regime} | {min(seeds)} to {max(seeds)} | {len(results.cells)} | "
        f"{sum(of_kinds.values())} | {kinds} | {decided(results)} | {updates(results):,} | "
        f"{per_update:.1f} |"
    )


if __name__ == "__main__":
    run(main)
