"""The queue: sbatch, squeue, scontrol, sacct, called without a shell."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_ablation.errors import UserError

ALIVE = {
    *("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED"),
    *("REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"),
    *("SPECIAL_EXIT", "RESV_DEL_HOLD"),
}
"""States of jobs that can still succeed."""
PATIENCE_SECONDS = 120
"""Seconds to wait for one of SLURM's programs."""


@dataclass(frozen=True)
class State:
    """The state of an array element, or of a job."""

    state: str
    """SLURM's word: PENDING, RUNNING, TIMEOUT."""
    reason: str
    """The reason why it waits or has ended, or an empty string."""

    @property
    def alive(self) -> bool:
        return self.state in ALIVE


def submit(script: Path, *options: str, test: bool = False) -> str:
    """Queue a script and return its job number. With `test`, only ask whether it could ever run.

    Raises:
        UserError: SLURM refuses; its own words.
    """
    if test:
        return _call("sbatch", "--test-only", *options, str(script))
    return _call("sbatch", "--parsable", *options, str(script)).strip().partition(";")[0]


def states(jobs: Sequence[str]) -> dict[str, State]:
    """Return the states of jobs (`7`) and elements (`7_3`) that the queue or the accounting knows.

    Raises:
        UserError: the queue doesn't answer.
    """
    if not jobs:
        return {}
    lines = _accounted(jobs)
    # All jobs are listed: a number that squeue has forgotten would make it fail for all.
    form = "--format=%i|%T|%r"
    queued = _call("squeue", "--noheader", "--states=all", "--array", form)
    found = {}
    for line in lines + queued.splitlines():  # the queue knows better
        name, state, reason = line.strip().split("|")[:3]
        if name.partition("_")[0] in jobs:
            word = state.partition(" ")[0]  # CANCELLED by 1000
            found[name] = State(word, "" if reason in ("None", "Unknown") else reason)
    return found


def _accounted(jobs: Sequence[str]) -> list[str]:
    """Return lines like squeue's, from the accounting, for jobs that the queue may have
    forgotten."""
    form, chosen = "--format=JobID,State,Reason", f"--jobs={','.join(jobs)}"
    everyones = "--allusers", "--noheader", "--parsable2", "--allocations"
    try:
        text = _call("sacct", *everyones, form, chosen)
    except UserError:  # there is no accounting here
        return []
    return text.splitlines()


def largest_array() -> int:
    """Return how many elements an array may have, or SLURM's default where there is no SLURM."""
    try:
        text = _call("scontrol", "show", "config")
    except UserError:
        return 1000
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", text, re.MULTILINE)
    return int(found[1]) - 1 if found else 1000


def _call(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise UserError(
            f"there is no {command[0]} here: submit from a node that belongs to a SLURM cluster, "
            "or try one on this machine with: bash slurm/one-node-cluster.sh"
        )
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{command[0]}: doesn't answer within {PATIENCE_SECONDS} s; is SLURM's controller up?"
        ) from None
    if result.returncode:
        said = (result.stderr or result.stdout).strip()
        raise UserError("\n".join(f"{command[0]}: {line}" for line in said.splitlines()))
    return result.stdout + (result.stderr if "--test-only" in command else "")
