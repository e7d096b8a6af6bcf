"""Commands on a whole experiment: validate, run, status."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt_ablation.cli.options import (
    CACHE,
    EXPERIMENT,
    JOBS,
    MAX_BYTES,
    MIRROR,
    WORKSPACE,
    hint,
    on_experiment,
    runner_of,
)
from nmt_ablation.errors import JobsError, UserError, require

if TYPE_CHECKING:
    from nmt_ablation.runner import Runner, Work

WATCH_SECONDS = 2


@click.command()
@EXPERIMENT
@click.option(
    "--data",
    is_flag=False,
    flag_value="",
    metavar="[DIR]",
    help="Read the data too: encodings, languages, counts, leaks, vectors and their coverage. DIR "
    "is the folder of files named in the experiment, as for other commands.",
)
@WORKSPACE
@CACHE
@MIRROR
@JOBS
def validate(
    experiment: Path,
    data: str | None,
    workspace: Path,
    cache: Path | None,
    mirror: str | None,
    jobs: int | None,
) -> None:
    """Check an experiment file, and say what is wrong and where.

    With --data, the text and the vectors that the file names are read as by `run`, and all errors
    are reported together. `run` then reuses what was read.

    \b
    Examples:
      nmt-ablation validate recipes/quickstart.yaml
      nmt-ablation validate mine.yaml --data
    """
    from nmt_ablation.experiment.file import load

    valid = load(experiment).experiment
    cells = (
        f"{len(valid.cells())} cells "
        f"({len(valid.sizes)} sizes, {len(valid.arms)} arms, {len(valid.seeds)} seeds)"
    )
    if data is None:
        click.echo(f"{experiment}: valid: {cells}")
        click.echo(f"Its data was not read: {hint('validate', experiment)} --data", err=True)
        return
    folder = data or os.environ.get("NMT_ABLATION_DATA")
    runner = runner_of(experiment, workspace, cache, Path(folder) if folder else None, mirror)
    _inspect(runner, jobs)
    click.echo(f"{experiment}: valid, as is its data: {cells}")


def _inspect(runner: "Runner", jobs: int | None) -> None:
    """Read the data of an experiment, and say what there is.

    Raises:
        UserError: something is wrong with it; the message has all that is.
    """
    from nmt_ablation import inspection, session
    from nmt_ablation.bars import Bars

    found = inspection.inspect(runner)
    errors = list(found.errors)
    try:
        with Bars(runner, {}) as bars:
            runner.run(found.jobs, session.at_once(runner, jobs), bars)
    except JobsError as error:
        errors += error.errors.values()
    for line in inspection.describe(runner):
        click.echo(line)
    if found.absent:
        click.echo(f"Not read, as it isn't on this machine: {', '.join(found.absent)}", err=True)
    if errors:
        raise UserError("\n".join(dict.fromkeys(errors)))


@click.command()
@on_experiment
@click.option("--cell", "names", multiple=True, help="Run this cell alone; may be repeated.")
@click.option("--size", "sizes", multiple=True, help="Run the cells of this size; may be repeated.")
@click.option(
    "--network",
    "networks",
    multiple=True,
    help="Pretrain only this network, by its name in `status`; may be repeated.",
)
@click.option(
    "--until-decided",
    is_flag=True,
    help="Add seeds from look to look, only for the arms that no look has decided yet.",
)
@click.option("--prepare", is_flag=True, help="Build what trainings need, and train nothing.")
@JOBS
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
    from nmt_ablation import session
    from nmt_ablation.bars import Bars

    session.check(runner)
    if tensorboard:
        require("tensorboardX", "--tensorboard needs", "tensorboard")
        runner.write_events()
    if networks:
        if names or sizes or prepare or until_decided:
            raise UserError("--network pretrains networks alone; leave other choices of cells out")
        with Bars(runner, {}) as bars:
            runner.run(_networks(runner, networks), session.at_once(runner, jobs), bars)
        return
    if until_decided:
        if names or sizes or prepare:
            raise UserError(
                "--until-decided chooses the cells itself; leave --cell, --size and --prepare out"
            )
        so_far = session.run_until_decided(runner, jobs, together)
        click.echo(f"{so_far}: {hint('report', runner.file.path)}", err=True)
        return
    cells = runner.unfinished(runner.file.choose(names, sizes))
    if not cells:
        click.echo("There is nothing to do: these cells are done.", err=True)
        return
    session.run(runner, cells, jobs, together, prepare)
    if not prepare:
        click.echo(f"next: {hint('report', runner.file.path)}", err=True)


@click.command("pilot")
@on_experiment
@click.option("--arm", required=True, help="The arm that is expected to be the strongest.")
@JOBS
@MAX_BYTES
def find_lengths(runner: "Runner", arm: str, jobs: int | None) -> None:
    """Find how long to train by a fixed schedule.

    The baseline and another arm train with long patience, at each size, with the first seed. For
    each size, the pilot prints the number of updates after which the slower arm was best on the
    validation set, to copy into the experiment file. Stop it at any moment; the same command goes
    on from there.

    \b
    Example:
      nmt-ablation pilot mine.yaml --arm whole
    """
    from nmt_ablation import pilot, session
    from nmt_ablation.files import write_atomically

    experiment, short = runner.file.experiment, pilot.runner_of(runner, arm)
    session.check(short)
    if cells := short.unfinished(short.file.experiment.cells()):
        session.run(short, cells, jobs)
    found = pilot.bests(short)
    for it in found:
        click.echo(
            f"{it.cell}: best BLEU {it.bleu:.1f} on the validation set at {it.update:,} updates, "
            f"ended by {it.ended_by} at {it.updates:,}"
        )
    if any(it.ended_by == "budget" for it in found):
        click.echo(
            "The budget ended some trainings, which may still improve: raise training.max_updates."
        )
    lengths = pilot.updates(found, experiment.training.validate_every)
    sizes = ", ".join(f"{size}: {updates}" for size, updates in lengths.items())
    lines = f"training:\n  schedule: fixed\n  max_updates_at: {{{sizes}}}\n"
    write_atomically(short.folder / "lengths.yaml", lines)
    click.echo(f"\n{lines}", nl=False)


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

    found = statuses.of_all(runner)
    if as_json:
        for cell in found.cells:
            click.echo(json.dumps(asdict(cell)))
        for warning in found.warnings:
            click.echo(f"warning: {warning}", err=True)
    elif not sys.stdout.isatty():
        click.echo("\n".join(statuses.lines(found.cells, found.warnings)))
        while watch and statuses.waiting(found.cells):
            time.sleep(WATCH_SECONDS)
            before, found = found, statuses.of_all(runner)
            both = zip(found.cells, before.cells, strict=True)
            if changed := [now for now, then in both if now != then]:
                click.echo("\n".join(statuses.lines(changed)))
    else:
        with Live(statuses.screen(found.cells, found.warnings), console=Console()) as live:
            while watch and statuses.waiting(found.cells):
                time.sleep(WATCH_SECONDS)
                found = statuses.of_all(runner)
                live.update(statuses.screen(found.cells, found.warnings))


def _networks(runner: "Runner", names: Sequence[str]) -> dict[str, "Work"]:
    """Return the jobs of some networks, and of those that they need.

    Raises:
        UserError: there is no such network.
    """
    from nmt_ablation.runner import Work

    there = runner.pipeline.networks_of(runner.file.experiment.cells())
    for name in names:
        if name not in there:
            allowed = ", ".join(there) or "none: no arm starts from a network"
            raise UserError(f"{runner.file.path}: has no network '{name}'; allowed: {allowed}")
    found: dict[str, Work] = {}
    for name, stage in there.items():
        if any(stage in there[asked].ancestors() for asked in names):
            needed = set(stage.ancestors()) - {stage}
            found[name] = Work([stage], needs=[it for it in found if there[it] in needed])
    return found
