"""The cluster file: resources to ask a SLURM cluster for, also from environment variables."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError, model_validator

from nmt_ablation.errors import UserError
from nmt_ablation.values import Block
from nmt_ablation.yaml_file import read

PREFIX = "NMT_ABLATION_SLURM_"
"""The prefix of environment variables: NMT_ABLATION_SLURM_PARTITION=gpu overrides `partition`."""

# These stand in a script's #SBATCH lines, where a space or a line's end would begin another option.
Word = Annotated[str, StringConstraints(pattern=r"^[\w.,:+|&*@!=/()\[\]-]+$")]
Time = Annotated[str, StringConstraints(pattern=r"^(\d+-)?\d+(:\d+){0,2}$")]
Memory = Annotated[str, StringConstraints(pattern=r"^\d+[KMGT]?$")]


SHORTEST = 1800
"""The shortest time limit that is asked for by itself, in seconds: nodes differ."""


class Cluster(Block):
    """The cluster file; keys left out are left to the cluster's own defaults."""

    partition: Word | None = None
    """The partition that jobs are queued in."""
    account: Word | None = None
    """The account that jobs are charged to."""
    qos: Word | None = None
    """The quality of service."""
    constraint: Word | None = None
    """Features of a node: `a100|h100`."""
    gpus: Word | None = None
    """GPUs of an array element: `1` or `a100:1`."""
    nodes: Annotated[int, Field(ge=1)] | None = None
    """Nodes of an element, for training.processes above 1. [default: as SLURM sees fit]"""
    cpus: Annotated[int, Field(ge=1)] | None = None
    """CPUs of each process. [default: the experiment's training.threads]"""
    memory: Memory | None = None
    """Memory of each job. [default: 4G; for elements, 1.5 times what `calibrate` measured]"""
    time: Time = "04:00:00"
    """The longest time limit, before which an element leaves a checkpoint and queues again. After
    `calibrate`, elements ask for twice the time that they can take, if that is shorter."""
    warning: Annotated[int, Field(ge=1)] = 120
    """Seconds before the time limit at which an element begins to stop."""
    share: Annotated[int, Field(ge=1)] = 30
    """Minutes of work that an element is filled up to with cells, as `nmt-ablation calibrate`
    estimates; without a calibration, each cell has an element of its own."""
    at_once: Annotated[int, Field(ge=1)] | None = None
    """Elements that may run at once."""
    modules: tuple[Word, ...] = ()
    """Modules to load before anything runs, by `module load`."""
    container: tuple[str, ...] = ()
    """Words before each command: `[apptainer, exec, --nv, image.sif]`."""

    def limit(self, seconds: float) -> Time:
        """Return the time limit of work that takes at most so long, where a time was measured."""
        asked = max(SHORTEST, 2 * seconds + self.warning)
        return self.time if asked >= _seconds(self.time) else str(math.ceil(asked / 60))

    @model_validator(mode="after")
    def _time_for_work(self) -> "Cluster":
        if self.warning >= _seconds(self.time):
            raise ValueError(
                f"time: {self.time} leaves nothing before the {self.warning} seconds of warning"
            )
        return self


def _seconds(time: str) -> int:
    """Read a time as SLURM does: 90 and 90:00 are minutes, 1:30:00 and 1-0 begin with hours."""
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    units = [3600, 60, 1] if dash or len(parts) == 3 else [60, 1]
    seconds = sum(part * unit for part, unit in zip(parts, units, strict=False))
    return int(days or 0) * 86400 + seconds


def load(path: Path | None, options: Mapping[str, str | None]) -> Cluster:
    """Read the cluster file, if any, the environment and options; later ones take precedence.

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
