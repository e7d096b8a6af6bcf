"""The same cells by several rules of when a training ends: gain, spread, bias and cost of each.

  python recipes/benchmarks/lengths.py --mirror DIR --data DIR --workspace DIR

It goes on from where it was stopped. Bias is the mean gain less that of the longest rule, the last
one. Which rule becomes the default was laid down before any of it ran: the one that takes the least
cost for an interval of a given width (the product of variance and cost), among those whose bias is
below 0.3 BLEU at both sizes. Cost is counted in thousands of updates, which are the same work by
all rules: seconds would tell what else the machine did.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean, variance
from typing import Any

from ruamel.yaml import YAML
from sides import run

from nmt_ablation.bars import Bars
from nmt_ablation.experiment.file import load
from nmt_ablation.places import Places
from nmt_ablation.results.gather import gather
from nmt_ablation.results.results import Results, at
from nmt_ablation.runner import Runner
from nmt_ablation.schedule import group, jobs
from nmt_ablation.workspace import Workspace

UPDATES = {"1k": 3000, "4k": 6000}
RULES: Mapping[str, Mapping[str, Any]] = {
    "patience of 6": {"patience": 6},
    "patience of 20": {"patience": 20},
    "fixed": {"schedule": "fixed"},
    "fixed, averaged": {"schedule": "fixed", "average": 4},
    "fixed, averaged, twice as long": {"schedule": "fixed", "average": 4},
}
LONGEST = "fixed, averaged, twice as long"


def experiments(file: Path, folder: Path, sizes: list[str]) -> Iterator[tuple[str, str, Path]]:
    """Write an experiment file for each rule and size; yield rule, size and file."""
    yaml = YAML(typ="safe")
    for rule, changes in RULES.items():
        for size in sizes:
            experiment = yaml.load(file)
            experiment["sizes"] = [size]
            training = experiment["training"] | changes
            if "schedule" in changes:
                training["max_updates"] = UPDATES[size] * (2 if rule == LONGEST else 1)
            name = rule.replace(",", "").replace(" ", "-")
            experiment |= {"training": training, "name": f"lengths-{name}-{size}"}
            path = folder / f"{experiment['name']}.yaml"
            with path.open("w", encoding="utf-8") as text:
                yaml.dump(experiment, text)
            yield rule, size, path


def trained(path: Path, places: Places, workspace: Workspace, at_once: int) -> Results:
    """Run an experiment and return its results."""
    runner = Runner(load(path), places, workspace)
    cells = runner.unfinished(runner.file.experiment.cells())
    groups = group(runner.pipeline, workspace, cells, together=False)
    with Bars(runner, groups) as bars:
        runner.run(jobs(runner.pipeline, workspace, groups, prepare_only=False), at_once, bars)
    return gather(runner.pipeline, workspace, "lengths")


def line(rule: str, results: Results, longest: Results) -> str:
    """Return a line of the table."""
    (arm,) = (it for it in results.arms if it != results.baseline)
    size = results.cells[0].size
    cells = at(results.cells, size, arm)
    gains = [row.gains["bleu"] for row in cells]
    bias = fmean(gains) - fmean(row.gains["bleu"] for row in at(longest.cells, size, arm))
    cost = sum(row.training.updates for row in results.cells) / len(gains) / 1000
    spread = variance(gains)
    scores = fmean(row.scores["bleu"].value for row in at(results.cells, size, results.baseline))
    return (
        f"| {cells[0].pairs:,} | {rule} | {scores:.1f} | {fmean(gains):+.2f} | {spread**0.5:.2f} | "
        f"{bias:+.2f} | {cost:.1f} | {spread * cost:.2f} |"
    )


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirror", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--experiment", type=Path, default=here / "lengths.yaml")
    parser.add_argument("--jobs", type=int, default=1, help="cells at once")
    parser.add_argument("--size", action="append", choices=list(UPDATES), help="default: all")
    given = parser.parse_args()
    given.workspace.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(given.workspace)
    found: dict[tuple[str, str], Results] = {}
    sizes = given.size or list(UPDATES)
    for rule, size, path in experiments(given.experiment, given.workspace, sizes):
        places = Places(mirror=given.mirror, data=given.data)
        found[rule, size] = trained(path, places, workspace, given.jobs)
    print("| pairs | rule | random | gain | SD of a gain | bias | 1,000 updates a seed | product |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in sizes:
        for rule in RULES:
            print(line(rule, found[rule, size], found[LONGEST, size]))


if __name__ == "__main__":
    run(main)
