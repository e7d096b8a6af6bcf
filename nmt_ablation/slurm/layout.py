"""The layout of a submission: its scripts, its arrays, and what each element builds."""

import math
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_ablation import cost
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.opus.fetch import is_url
from nmt_ablation.runner import Runner
from nmt_ablation.slurm import queue, scripts
from nmt_ablation.slurm.cluster import Cluster

MEMORY = "4G"
"""Memory to ask for without a calibration."""
BESIDES_CELL = 2**30
"""Bytes beside a cell's process: for the command and for the process that cells are forked from,
whose memory SLURM may count twice."""


@dataclass(frozen=True)
class ToSubmit:
    """The cells to submit, and what they wait for."""

    cells: Mapping[Cell, Sequence[str]]
    """The cells, each with the networks that it waits for."""
    queued: Mapping[str, str]
    """The elements that are queued already, by the names of their cells and networks."""
    left_out: Sequence[str]
    """The names of the cells that are left out because they or their networks failed before."""

    @property
    def networks(self) -> list[str]:
        """The networks to submit."""
        needed = dict.fromkeys(name for names in self.cells.values() for name in names)
        return [name for name in needed if name not in self.queued]


@dataclass(frozen=True)
class Array:
    """An array of a submission."""

    script: Path
    sort: str
    """The sort of its elements: networks or cells."""
    elements: list[list[str]]
    """The names of the networks or cells of each element."""
    networks: Sequence[str]
    """The networks that it waits for."""


@dataclass(frozen=True)
class Scripts:
    """The scripts of one submission, written into its folder."""

    folder: Path
    prepare: Path | None
    """The script of the preparation, or None if everything shared is built."""
    arrays: Sequence[Array]
    """The arrays: networks first."""
    report: Path
    look: Path | None
    """The script that looks at the scores and submits what the next look needs, if seeds are added
    one by one."""
    queued: Mapping[str, str]
    """The elements that are queued already, by the names of their cells and networks."""

    def describe(self) -> Iterator[str]:
        """Yield a line for each job and each element: what it builds, and what it waits for."""
        first = ["preparation"] if self.prepare else []
        if self.prepare:
            yield "preparation"
        for array in self.arrays:
            waits = [*first, *array.networks]
            behind = f", after {', '.join(waits)}" if waits else ""
            yield f"{array.script.stem}: an array of {len(array.elements)}{behind}"
            for index, names in enumerate(array.elements):
                yield f"  {index}: {', '.join(names)}"
        yield "report, after all arrays"
        if self.look:
            yield "the next look, after all arrays"

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def all(self) -> list[Path]:
        arrays = [array.script for array in self.arrays]
        last = [self.report, *([self.look] if self.look else [])]
        return [*([self.prepare] if self.prepare else []), *arrays, *last]


def write_scripts(
    runner: Runner,
    cluster: Cluster,
    asked: ToSubmit,
    folder: Path,
    again: Sequence[str] = (),
) -> Scripts:
    """Write the scripts for some cells and their networks into the folder of a submission.

    Args:
        folder: the folder of this submission.
        again: the options of the command that submits the next look; none if there is no look.

    Raises:
        UserError: the cluster file asks for what can't be.
    """
    experiment, largest = runner.file.experiment, queue.largest_array()
    if cluster.container and experiment.training.processes > 1:
        raise UserError(
            f"training.processes is {experiment.training.processes}, and srun, which starts them, "
            "can't be called from within the cluster file's container; leave container out, and "
            "install nmt-ablation on a shared file system"
        )
    program = Path(sys.executable).with_name("nmt-ablation")
    cpus = experiment.training.threads
    modules = scripts.modules(cluster)
    path, places = runner.file.path.resolve(), _places(runner)

    def write(name: str, template: str, values: dict[str, str | list[str]]) -> Path:
        script = folder / f"{name}.sbatch"
        (folder / name).mkdir(parents=True, exist_ok=True)
        script.write_text(scripts.fill(template, values | {"MODULES": modules}), encoding="utf-8")
        return script

    def job(name: str, command: Sequence[str]) -> Path:
        lines = scripts.options(cluster, f"{experiment.name}-{name}", folder / name, cpus, MEMORY)
        run = scripts.command(cluster, program, command[0], path, *places, *command[1:])
        return write(name, name, {"OPTIONS": lines, "COMMAND": run})

    processes = experiment.training.processes
    memory = _memory(runner)

    def array(
        name: str, sort: str, elements: list[list[str]], networks: Sequence[str]
    ) -> Iterator[Array]:
        """Write the scripts of elements, in as many arrays as the cluster asks for."""
        option = {"networks": "--network", "cells": "--cell"}[sort]
        for start in range(0, len(elements), largest):
            title = f"{name}-{start // largest + 1}" if len(elements) > largest else name
            some = elements[start : start + largest]
            for index in range(len(some)):
                (folder / title / str(index)).mkdir(parents=True, exist_ok=True)
            lines = (" ".join(f"{option}={each}" for each in element) + "\n" for element in some)
            (folder / f"{title}.txt").write_text("".join(lines))
            job_name, tasks = f"{experiment.name}-{title}", processes if sort == "cells" else 1
            time = _time(runner, cluster, some, networks)
            asking = scripts.options(
                cluster, job_name, folder / title, cpus, memory, "%a", tasks, time
            )
            limit = f"%{cluster.at_once}" if cluster.at_once else ""
            asking.append(f'#SBATCH --array="0-{len(some) - 1}{limit}"')
            values: dict[str, str | list[str]] = {
                "OPTIONS": asking,
                "COMMAND": scripts.command(cluster, program, "run", path, *places, "--jobs", "1"),
                "LIST": shlex.quote(str(folder / f"{title}.txt")),
                "WARNING": str(cluster.warning),
            }
            yield Array(write(title, "array", values), sort, some, networks)

    arrays = list(array("networks", "networks", [[name] for name in asked.networks], ()))
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell, networks in asked.cells.items():
        groups.setdefault(tuple(networks), []).append(cell)
    for number, (networks, cells) in enumerate(groups.items(), 1):
        name = f"cells-of-{number}" if len(groups) > 1 else "cells"
        arrays += array(name, "cells", _elements(runner, cells, cluster.share * 60), networks)
    prepared = not runner.to_prepare()
    return Scripts(
        folder=folder,
        prepare=None if prepared else job("prepare", ["run", "--prepare"]),
        arrays=arrays,
        report=job("report", ["report"]),
        look=job("look", ["submit", *again]) if again else None,
        queued=asked.queued,
    )


def _places(runner: Runner) -> list[str]:
    """Return the options by which a job finds files from any folder."""
    places, workspace = runner.places, runner.workspace
    mirror = places.mirror
    if mirror is not None and not is_url(mirror):
        mirror = str(Path(mirror).resolve())
    given = {
        "workspace": str(workspace.root.resolve()),
        "cache": str(workspace.cache.resolve()) if workspace.cache else None,
        "data": str(places.data.resolve()),
        "mirror": mirror,
    }
    return scripts.flags(given)


def _elements(runner: Runner, cells: Sequence[Cell], seconds: float) -> list[list[str]]:
    """Return the cells of each element, filled up to so many seconds."""
    experiment, calibration = runner.file.experiment, runner.pipeline.calibration()
    if not runner.workspace.done(calibration):
        return [[str(cell)] for cell in cells]
    found = runner.workspace.record(calibration)
    number = max(1, int(seconds // cost.cell_seconds(experiment, found.seconds)))
    # Neighbours are of one size and seed, which on a GPU can train together.
    ordered = sorted(cells, key=lambda cell: (experiment.sizes.index(cell.size), cell.seed))
    names = list(map(str, ordered))
    return [names[start : start + number] for start in range(0, len(names), number)]


def _time(
    runner: Runner, cluster: Cluster, elements: Sequence[Sequence[str]], waits: Sequence[str]
) -> str | None:
    """Return the time limit of an array's elements, or None if no update was timed.

    Args:
        elements: the names of the cells or networks of each element.
        waits: the networks that other elements train.
    """
    pipeline, calibration = runner.pipeline, runner.pipeline.calibration()
    if not runner.workspace.done(calibration):
        return None
    experiment, update = runner.file.experiment, runner.workspace.record(calibration).seconds
    networks = pipeline.networks_of(experiment.cells())

    def seconds(name: str) -> float:
        """Return the longest time that a network takes, or a cell with networks of its own."""
        if name in networks:
            return cost.network_seconds(experiment, networks[name], update)
        cell = runner.file.cell(name)
        own = pipeline.networks_of([cell])
        left = [it for it, stage in own.items() if not runner.workspace.done(stage)]
        own_seconds = sum(seconds(it) for it in left if it not in waits)
        return cost.cell_seconds(experiment, update, cell) + own_seconds

    return cluster.limit(max(sum(map(seconds, names)) for names in elements))


def _memory(runner: Runner) -> str:
    """Return the memory to ask for: what was seen, and some more."""
    calibration = runner.pipeline.calibration()
    if not runner.workspace.done(calibration):
        return MEMORY
    found = runner.workspace.record(calibration)
    return f"{math.ceil((found.memory * 1.5 + BESIDES_CELL) / 2**20)}M"
