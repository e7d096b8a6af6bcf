"""The costs of each recipe: a Markdown table of updates, hours on this machine, and disk space.

An update of each recipe's model is timed here (`nmt-ablation calibrate`), by training it for a
moment on made-up text; the rest is what `nmt-ablation plan` says. Hours are an upper bound, as
patience may end a training before its budget does.

  python recipes/benchmarks/cost.py >table.md
"""

import argparse
import sys
from pathlib import Path

from rich.filesize import decimal

from nmt_ablation import cost
from nmt_ablation.bars import Bars
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.opus import card
from nmt_ablation.places import Places
from nmt_ablation.runner import Runner, Work
from nmt_ablation.workspace import Workspace

RECIPES = Path(__file__).parents[1]
HEADER = ("recipe", "cells", "updates", "an update", "core-hours", "memory", "to fetch", "disk")


def row(path: Path, folder: Path) -> list[str]:
    """Return the table's row of one recipe; `folder` is the workspace for its calibration."""
    places = Places(mirror=None, data=path.parent)
    runner = Runner(load(path), places, Workspace(folder))
    with Bars(runner, {}) as bars:
        runner.run({"calibration": Work([runner.pipeline.calibration()])}, 1, bars)
    experiment = runner.file.experiment
    found = runner.workspace.record(runner.pipeline.calibration())
    files = cost.files(runner.pipeline, runner.workspace, card.card_for(experiment.pair))
    cells, training = len(experiment.cells()), experiment.training
    seconds = sum(cost.cell_seconds(experiment, found.seconds, it) for it in experiment.cells())
    hours = seconds / 3600 * training.threads
    unknown = any(file.bytes is None for file in files)
    more = "more than " if unknown else ""
    return [
        path.stem,
        str(cells),
        f"{sum(training.updates_of(it.size) for it in experiment.cells()):,}",
        f"{found.seconds:.3g} s",
        f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}",
        decimal(found.memory),
        "what its mirror has" if unknown else decimal(sum(file.bytes or 0 for file in files)),
        more + decimal(cost.disk(experiment, files).all),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="*", help="names [default: all]")
    parser.add_argument("--workspace", type=Path, default=Path("checkpoints"))
    given = parser.parse_args()
    names = given.recipes or sorted(path.stem for path in RECIPES.glob("*.yaml"))
    print(f"| {' | '.join(HEADER)} |")
    print(f"| --- | {' | '.join(['---:'] * (len(HEADER) - 1))} |")
    try:
        for name in names:
            print(f"| {' | '.join(row(RECIPES / f'{name}.yaml', given.workspace))} |", flush=True)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
