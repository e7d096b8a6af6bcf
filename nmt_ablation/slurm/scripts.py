"""sbatch scripts: the templates in `slurm/`, filled in.

A template's `@NAME@` is replaced. Parts of commands are quoted for the shell; unsafe values for
#SBATCH lines are refused.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from nmt_ablation.beside import folder
from nmt_ablation.errors import UserError
from nmt_ablation.slurm.cluster import Cluster

TEMPLATES = folder("slurm")
UNSAFE = set("\n\r\"'\\%")
"""Characters that would end or change the value of an #SBATCH line, or that SLURM replaces."""


def options(
    cluster: Cluster,
    name: str,
    log: Path,
    cpus: int,
    memory: str,
    pattern: str = "",
    tasks: int = 0,
    time: str | None = None,
) -> list[str]:
    """Return the #SBATCH lines of a job.

    Args:
        cluster: the resources to ask for.
        name: the job's name.
        log: the folder of its log.
        cpus: CPUs of each process, by default.
        memory: memory, by default.
        pattern: a folder below the log's, filled in by SLURM.
        tasks: training processes, which get GPUs if the cluster has some; 0 for a job that doesn't
            train.
        time: the time limit, if it is not the cluster file's.
    """
    if unsafe := UNSAFE & set(f"{name}{log}"):
        raise UserError(
            f"{log}: sbatch can't be given this path, or the name '{name}', for its "
            f"{' and '.join(sorted(map(repr, unsafe)))}; use another --workspace or name"
        )
    given = {
        "job-name": name,
        "output": f"{log / pattern if pattern else log}/log.txt",
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "constraint": cluster.constraint,
        "gpus": cluster.gpus if tasks else None,
        "nodes": cluster.nodes if tasks else None,
        "ntasks": tasks if tasks > 1 else None,
        "cpus-per-task": cluster.cpus or cpus,
        "mem": cluster.memory or memory,
        "time": time or cluster.time,
        "open-mode": "append",
    }
    return [f'#SBATCH --{key}="{value}"' for key, value in given.items() if value is not None]


def command(cluster: Cluster, *parts: str | Path) -> str:
    return shlex.join([*cluster.container, *map(str, parts)])


def flags(given: Mapping[str, str | None]) -> list[str]:
    """Return the options of a command that have a value, by their names."""
    return [part for name, value in given.items() if value for part in (f"--{name}", value)]


def fill(template: str, values: Mapping[str, str | Sequence[str]]) -> str:
    """Fill in a template.

    Raises:
        UserError: there is no such template, or it has a name that isn't known.
    """
    path = TEMPLATES / f"{template}.sbatch"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such template; is this a whole checkout?") from None
    for name, value in values.items():
        text = text.replace(f"@{name}@", value if isinstance(value, str) else "\n".join(value))
    return text


def modules(cluster: Cluster) -> list[str]:
    return [shlex.join(["module", "load", module]) for module in cluster.modules]
