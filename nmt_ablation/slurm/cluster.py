"""What a cluster is to be asked for: a small YAML file, and variables of the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError, model_validator

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Block
from nmt_ablation.experiment_file import read

PREFIX = "NMT_ABLATION_SLURM_"
"""NMT_ABLATION_SLURM_PARTITION=gpu says what `partition: gpu` says, and comes first."""

# These stand in a script's #SBATCH lines, where a space or a line's end would begin another option.
Word = Annotated[str, StringConstraints(pattern=r"^[\w.,:+|&*@!=/()\[\]-]+$")]
Time = Annotated[str, StringConstraints(pattern=r"^(\d+-)?\d+(:\d+){0,2}$")]
Memory = Annotated[str, StringConstraints(pattern=r"^\d+[KMGT]?$")]


class Cluster(Block):
    """The cluster file. What isn't given is left to the cluster's own defaults."""

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    """Features of a node: `a100|h100`."""
    gpus: Word | None = None
    """Of an element: `1` or `a100:1`."""
    nodes: Annotated[int, Field(ge=1)] | None = None
    """Of an element whose training.processes are many. [default: as SLURM sees fit]"""
    cpus: Annotated[int, Field(ge=1)] | None = None
    """Of each process. [default: the experiment's training.threads]"""
    memory: Memory | None = None
    """Of each job. [default: 4G; of elements, half as much again as `calibrate` has seen]"""
    time: Time = "04:00:00"
    """Until an element leaves a checkpoint and queues again."""
    warning: Annotated[int, Field(ge=1)] = 120
    """Seconds before the end in which it does that."""
    share: Annotated[int, Field(ge=1)] = 30
    """Minutes: cells share an element until it may have so much to do, as far as `nmt-ablation
    calibrate` can tell; without it each has one of its own."""
    at_once: Annotated[int, Field(ge=1)] | None = None
    """Elements that may run side by side."""
    modules: tuple[Word, ...] = ()
    """Loaded before anything runs, by `module load`."""
    container: tuple[str, ...] = ()
    """Put before each command: `[apptainer, exec, --nv, image.sif]`."""

    @model_validator(mode="after")
    def _time_for_work(self) -> "Cluster":
        if self.warning >= _seconds(self.time):
            raise ValueError(
                f"time: {self.time} leaves nothing before the {self.warning} seconds of warning"
            )
        return self


def _seconds(time: str) -> int:
    """What SLURM takes a time for: 90 and 90:00 are minutes, 1:30:00 and 1-0 hours, after days."""
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    units = [3600, 60, 1] if dash or len(parts) == 3 else [60, 1]
    seconds = sum(part * unit for part, unit in zip(parts, units, strict=False))
    return int(days or 0) * 86400 + seconds


def load(path: Path | None, options: Mapping[str, str | None]) -> Cluster:
    """The cluster file, if there is one, the environment, and options; the last one given holds.

    Raises:
        UserError: file or variable, and what is allowed there.
    """
    cluster = read(path, Cluster, "a cluster file")[0] if path else Cluster()
    given: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name in Cluster.model_fields:
        if (value := os.environ.get(PREFIX + name.upper())) is not None:
            lists = name in ("modules", "container")
            given[name] = tuple(value.split()) if lists else value
            names[name] = PREFIX + name.upper()
        if options.get(name) is not None:
            given[name], names[name] = options[name], f"--{name}"
    try:
        return Cluster(**cluster.model_dump() | given)
    except ValidationError as error:
        lines = [
            ": ".join([*(names[str(name)] for name in problem["loc"][:1]), problem["msg"]])
            for problem in error.errors()
        ]
        raise UserError("\n".join(lines)) from None
