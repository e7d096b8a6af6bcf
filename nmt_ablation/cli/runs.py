"""Commands on a whole experiment: validate, plan, calibrate, run, status."""

import itertools
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt_ablation.cli.options import EXPERIMENT, MAX_BYTES, on_experiment
from nmt_ablation.errors import UserError, require

if TYPE_CHECKING:
    from nmt_ablation.experiment import Cell
    from nmt_ablation.runner import Runner, Work

WATCH_SECONDS = 2


@click.command()
@EXPERIMENT
def validate(experiment: Path) -> None:
    """Check an experiment file, and say what is wrong and where.

    \b
    Example:
      nmt-ablation validate recipes/quickstart.yaml
    """
    from nmt_ablation.experiment.file import load

    valid = load(experiment).experiment
    click.echo(
        f"{experiment}: valid: {len(valid.cells())} cells "
        f"({len(valid.sizes)} sizes, {len(valid.arms)} arms, {len(valid.seeds)} seeds)"
    )


@click.command()
@on_experiment
def plan(runner: "Runner") -> None:
    """Show what is done, what is left, and what it will take.

    Builds nothing. Hours are known after `nmt-ablation calibrate`; `nmt-ablation status` lists the
    cells.

    \b
    Example:
      nmt-ablation plan recipes/quickstart.yaml
    """
    cells = runner.file.experiment.cells()
    to_build: dict[str, str] = {}
    done = 0
    for size, of_size in itertools.groupby(cells, key=lambda cell: cell.size):
        finished: dict[str, list[bool]] = {}
        for cell in of_size:
            left = runner.left(cell)
            finished.setdefault(cell.arm, []).append(not left)
            done += not left
            to_build |= {stage.digest: stage.name for stage in left}
        arms = ", ".join(f"{arm} {sum(each)}/{len(each)}" for arm, each in finished.items())
        click.echo(f"{size if isinstance(size, str) else f'{size:,}':>10}  {arms}")
    needed = Counter(to_build.values())
    counts = ", ".join(f"{count} x {stage}" for stage, count in needed.items())
    click.echo(f"\n{done} of {len(cells)} cells are done. To build: {counts or 'nothing'}.")
    lines = _hours(runner, needed["train"]), _of_networks(runner), _needs(runner)
    for line in itertools.chain(*lines):
        click.echo(line)


@click.command()
@on_experiment
@click.option("--again", is_flag=True, help="Measure again, for instance on another machine.")
def calibrate(runner: "Runner", again: bool) -> None:
    """Time an update of an experiment's model.

    Takes about a minute, on made-up text. Afterwards `plan` estimates hours, and `submit` fills
    the elements of an array with cells. Run it on the kind of machine that will train.

    \b
    Examples:
      nmt-ablation calibrate recipes/quickstart.yaml
      srun --gpus 1 nmt-ablation calibrate recipes/quickstart.yaml --again
    """
    from nmt_ablation.cli.progress import Bars
    from nmt_ablation.runner import Work

    if again:
        runner.workspace.cache = None  # another machine's measurement doesn't count
        runner.workspace.forget(runner.pipeline.calibration())
    with Bars(runner, {}) as bars:
        runner.run({"calibration": Work([runner.pipeline.calibration()])}, 1, bars)
    experiment = runner.file.experiment
    for line in _hours(runner, len(experiment.cells()) * len(experiment.training.rates)):
        click.echo(line)


@click.command()
@on_experiment
@click.option("--cell", "names", multiple=True, help="Run this cell alone; may be repeated.")
@click.option("--size", "sizes", multiple=True, help="Run the cells of this size; may be repeated.")
@click.option(
    "--network",
    "networks",
    multiple=True,
    help="Pretrain this network alone, called as in status; may be repeated.",
)
@click.option(
    "--until-decided",
    is_flag=True,
    help="Add seeds one look after another, of arms that no look has decided yet.",
)
@click.option("--prepare", is_flag=True, help="Build what trainings need, and train nothing.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Cells at once.  [default: as the cores allow; 1 on a GPU]",
)
@click.option(
    "--together/--apart",
    default=None,
    help="Train the arms of a size and seed in one process, which is faster on a GPU. The results "
    "are the same as apart, except for rounding.  [default: together on a GPU]",
)
@click.option(
    "--tensorboard",
    is_flag=True,
    envvar="NMT_ABLATION_TENSORBOARD",
    help="Write losses and BLEU for TensorBoard too, under WORKSPACE/NAME/tensorboard.",
)
@MAX_BYTES
def run(
    runner: "Runner",
    names: tuple[str, ...],
    sizes: tuple[str, ...],
    networks: tuple[str, ...],
    until_decided: bool,
    prepare: bool,
    jobs: int | None,
    together: bool | None,
    tensorboard: bool,
) -> None:
    """Build everything that is not done yet: prepare, train, translate, score.

    Stop it at any moment; the same command goes on from there.

    \b
    Examples:
      nmt-ablation run recipes/quickstart.yaml --mirror DIR
      nmt-ablation run recipes/quickstart.yaml --mirror DIR --cell 500-random-s1
      nmt-ablation run recipes/quickstart.yaml --mirror DIR --size 500 --size 2k
      nmt-ablation run mine.yaml --until-decided
    """
    from nmt_ablation import machine, schedule
    from nmt_ablation.cli.progress import Bars

    _refuse_copies()
    runner.check()
    if tensorboard:
        require("tensorboardX", "--tensorboard needs", "tensorboard")
        runner.write_events()
    training, gpu = runner.file.experiment.training, machine.has_gpu()
    at_once = jobs or schedule.jobs_at_once(training, gpu, machine.cores())
    if networks:
        if names or sizes or prepare or until_decided:
            raise UserError("--network pretrains networks alone; leave other choices of cells out")
        with Bars(runner, {}) as bars:
            runner.run(_networks(runner, networks), at_once, bars)
        return
    if until_decided:
        if names or sizes or prepare:
            raise UserError(
                "--until-decided chooses the cells itself; leave --cell, --size and --prepare out"
            )
        _until_decided(runner, at_once, together)
        return
    cells = runner.unfinished(runner.file.choose(names, sizes))
    if not cells:
        click.echo("There is nothing to do: these cells are done.", err=True)
        return
    _run(runner, cells, at_once, together, prepare)


def _run(
    runner: "Runner", cells: Sequence["Cell"], at_once: int, together: bool | None, prepare: bool
) -> None:
    """Run unfinished cells."""
    from nmt_ablation import machine, schedule
    from nmt_ablation.cli.progress import Bars

    gpu = machine.has_gpu()
    if runner.file.experiment.training.precision == "bfloat16" and not gpu:
        _warn_of_bfloat16()
    together = gpu if together is None else together
    groups = schedule.group(runner.pipeline, runner.workspace, cells, together)
    if len(groups) < len(cells) and not prepare:
        click.echo("Arms of one size and seed train in one process, on the same batches.", err=True)
    jobs_of_run = schedule.jobs(runner.pipeline, runner.workspace, groups, prepare_only=prepare)
    with Bars(runner, groups) as bars:
        runner.run(jobs_of_run, at_once, bars)


def _until_decided(runner: "Runner", at_once: int, together: bool | None) -> None:
    """Add seeds until all comparisons are decided, or have had all their looks."""
    from nmt_ablation import next_look

    rule = next_look.declare(runner)
    click.echo(str(rule), err=True)
    while (look := next_look.next_look(runner)) is not None:
        click.echo(str(look), err=True)
        cells = runner.unfinished(look.cells)
        assert cells, f"nothing is left to train for the {look}"
        _run(runner, cells, at_once, together, prepare=False)
    click.echo(f"{next_look.outcome(runner)}: nmt-ablation report {runner.file.path}", err=True)


def _warn_of_bfloat16() -> None:
    """Say so where bfloat16 is slow."""
    from nmt_ablation import machine

    if not machine.computes_bfloat16():
        click.echo(
            "warning: this processor has no instructions for bfloat16, so it is slower than "
            "float32 here; set training.precision: float32",
            err=True,
        )


@click.command()
@on_experiment
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print machine-readable output: one JSON object for each network and cell.",
)
@click.option(
    "--watch", is_flag=True, help="Keep showing the status until no cell runs or is queued."
)
def status(
    runner: "Runner",
    as_json: bool,
    watch: bool,
) -> None:
    """Show the progress of each network and cell, and why a cell failed if it did.

    Cells may run here or in a cluster's queue.

    \b
    Examples:
      nmt-ablation status recipes/quickstart.yaml
      nmt-ablation status recipes/quickstart.yaml --watch
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.live import Live

    from nmt_ablation import status as statuses

    cells = statuses.of_all(runner)
    if as_json:
        for cell in cells:
            click.echo(json.dumps(asdict(cell)))
    elif not sys.stdout.isatty():
        click.echo("\n".join(statuses.lines(cells)))
        while watch and statuses.waiting(cells):
            time.sleep(WATCH_SECONDS)
            before, cells = cells, statuses.of_all(runner)
            changed = [now for now, then in zip(cells, before, strict=True) if now != then]
            if changed:
                click.echo("\n".join(statuses.lines(changed)))
    else:
        with Live(statuses.screen(cells), console=Console()) as live:
            while watch and statuses.waiting(cells):
                time.sleep(WATCH_SECONDS)
                cells = statuses.of_all(runner)
                live.update(statuses.screen(cells))


def _networks(runner: "Runner", names: Sequence[str]) -> dict[str, "Work"]:
    """Return the jobs of some networks.

    Raises:
        UserError: there is no such network.
    """
    from nmt_ablation.runner import Work

    there = runner.pipeline.networks_of(runner.file.experiment.cells())
    for name in names:
        if name not in there:
            allowed = ", ".join(there) or "none: no arm starts from a network"
            raise UserError(f"{runner.file.path}: has no network '{name}'; allowed: {allowed}")
    return {name: Work([there[name]]) for name in names}


def _refuse_copies() -> None:
    """Raise an error if several copies of this command run side by side."""
    for name, starter in (("WORLD_SIZE", "torchrun"), ("SLURM_STEP_NUM_TASKS", "srun")):
        if int(os.environ.get(name, 1)) > 1:
            raise UserError(
                f"this is one of {os.environ[name]} copies started side by side, by {starter}: "
                "start it once, and set training.processes in the experiment"
            )


def _hours(runner: "Runner", trainings: int) -> Iterator[str]:
    """Yield lines about the updates and hours that so many trainings take at most."""
    from rich.filesize import decimal

    from nmt_ablation import cost

    if not trainings:
        return
    experiment, calibration = runner.file.experiment, runner.pipeline.calibration()
    training = experiment.training
    yield (
        f"At most {trainings * training.max_updates:,} updates of up to "
        f"{training.batch_tokens:,} tokens; patience may end a training sooner."
    )
    if not runner.workspace.done(calibration):
        yield "Hours: time an update with nmt-ablation calibrate."
        return
    found = runner.workspace.record(calibration)
    hours = math.ceil(trainings * cost.training_seconds(experiment, found.seconds) / 360) / 10
    threads = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    memory = decimal(found.gpu_memory or found.memory)
    yield (
        f"Hours: at most {hours:,.1f}, one training after another; an update takes "
        f"{found.seconds:.3f} s and {memory} on {found.device} "
        f"({threads} of {found.machine})."
    )


def _of_networks(runner: "Runner") -> Iterator[str]:
    """Yield a line about each network that is not trained yet."""
    from nmt_ablation import cost

    experiment, calibration = runner.file.experiment, runner.pipeline.calibration()
    for name, stage in runner.pipeline.networks_of(experiment.cells()).items():
        if runner.workspace.done(stage):
            continue
        thing = stage.thing
        line = f"{name}: {thing.says}, {thing.updates:,} updates of up to "
        line += f"{thing.batch_tokens:,} tokens"
        if runner.workspace.done(calibration):
            seconds = runner.workspace.record(calibration).seconds
            hours = cost.network_seconds(experiment, thing, seconds) / 3600
            line += f", about {hours:,.1f} hours"
        yield f"{line}."


def _needs(runner: "Runner") -> Iterator[str]:
    """Yield lines about files to fetch and disk space."""
    from rich.filesize import decimal

    from nmt_ablation import cost
    from nmt_ablation.opus import card

    experiment = runner.file.experiment
    files = cost.files(runner.pipeline, runner.workspace, card.card_for(experiment.pair))
    to_fetch = [file for file in files if not file.fetched]
    unknown = [file.path for file in to_fetch if file.bytes is None]
    if to_fetch:
        size = sum(file.bytes or 0 for file in to_fetch)
        known = f", {'more than ' if unknown else ''}{decimal(size)}" if size else ""
        besides = f"; of unknown size: {', '.join(unknown)}" if unknown else ""
        yield f"To fetch: {len(to_fetch)} files{known}{besides}."
    room = cost.disk(experiment, files)
    yield (
        f"On disk: {'more than' if unknown else 'up to'} {decimal(room.all)} "
        f"(corpora {decimal(room.corpora)}, samples {decimal(room.samples)}, "
        f"models {decimal(room.models)})."
    )
