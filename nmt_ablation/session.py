"""Work on an experiment on this machine, with progress shown: all that the command `run` does."""

import os
from collections.abc import Sequence

from rich.console import Console

from nmt_ablation import machine, next_look, schedule
from nmt_ablation.bars import Bars
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.results.analyses import analysable
from nmt_ablation.results.gather import warnings_of
from nmt_ablation.runner import Runner, Work


def check(runner: Runner) -> None:
    """Check what can be checked before anything runs.

    Raises:
        UserError: several copies of this process run side by side, or the runner's own check fails.
    """
    for name, starter in (("WORLD_SIZE", "torchrun"), ("SLURM_STEP_NUM_TASKS", "srun")):
        if int(os.environ.get(name, 1)) > 1:
            raise UserError(
                f"this is one of {os.environ[name]} copies started side by side, by {starter}: "
                "start it once, and set training.processes in the experiment"
            )
    runner.check()


def at_once(runner: Runner, jobs: int | None = None) -> int:
    """Return how many cells run at once: as many as asked for, or as the machine allows."""
    training = runner.file.experiment.training
    return jobs or schedule.jobs_at_once(training, machine.has_gpu(), machine.cores())


def run(
    runner: Runner,
    cells: Sequence[Cell],
    jobs: int | None = None,
    together: bool | None = None,
    prepare: bool = False,
) -> None:
    """Run unfinished cells, and end with warnings about them.

    Args:
        jobs: cells at once; None for as many as the machine allows.
        together: train the arms of a size and seed in one process; None for where it is faster.
        prepare: build what trainings need, and train nothing.

    Raises:
        JobsError: some cells failed.
        StoppedError: a signal asked for a stop.
    """
    gpu = machine.has_gpu()
    precision = runner.file.experiment.training.precision
    if precision == "bfloat16" and not gpu and not machine.computes_bfloat16():
        say(
            "warning: this processor has no instructions for bfloat16, so it is slower than "
            "float32 here; set training.precision: float32"
        )
    together = gpu if together is None else together
    groups = schedule.group(runner.pipeline, runner.workspace, cells, together)
    if len(groups) < len(cells) and not prepare:
        say("Arms of one size and seed train in one process, on the same batches.")
    work = schedule.jobs(runner.pipeline, runner.workspace, groups, prepare_only=prepare)
    try:
        with Bars(runner, groups) as bars:
            runner.run(work, at_once(runner, jobs), bars)
    finally:
        for warning in warnings_of(runner.pipeline, runner.workspace, cells):
            say(f"warning: {warning}")


def analyse(runner: Runner, cells: Sequence[Cell], jobs: int | None = None) -> None:
    """Make all analyses of cells' models, as far as models are there.

    Args:
        jobs: cells at once; None for as many as the machine allows.

    Raises:
        UserError: none of the models is there.
        JobsError: some analyses failed.
    """
    pipeline = runner.pipeline
    there = [cell for cell in cells if analysable(pipeline, runner.workspace, cell)]
    if not there:
        raise UserError(
            f"no model of {runner.file.experiment.name} can be analysed: its cells aren't trained "
            "yet, or what they started from was removed; nmt-ablation run trains them"
        )
    if lacking := len(cells) - len(there):
        say(
            f"{lacking} of {len(cells)} cells are not analysed, as their models, or what these "
            "started from, are not there."
        )
    work = {f"analysis-{cell}": Work(list(pipeline.analyses(cell).values())) for cell in there}
    with Bars(runner, {}) as bars:
        runner.run(work, at_once(runner, jobs), bars)


def run_until_decided(runner: Runner, jobs: int | None = None, together: bool | None = None) -> str:
    """Add seeds until all comparisons are decided, or have had all their looks; return what is
    decided."""
    say(str(next_look.declare(runner)))
    while (look := next_look.next_look(runner)).cells:
        say(str(look))
        cells = runner.unfinished(look.cells)
        assert cells, f"nothing is left to train for the {look}"
        run(runner, cells, jobs, together)
    return look.so_far


def say(line: str) -> None:
    """Print a line where progress is shown."""
    Console(stderr=True, highlight=False).print(line, markup=False, soft_wrap=True)
