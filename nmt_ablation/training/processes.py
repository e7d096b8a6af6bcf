"""Several processes that train one model, on this machine or, in a SLURM job, on its nodes."""

import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from nmt_ablation.errors import UserError
from nmt_ablation.progress import OnProgress
from nmt_ablation.stopping import EXIT_CODE, SIGNALS, StoppedError, when_asked
from nmt_ablation.training import launch
from nmt_ablation.training.collective import leave
from nmt_ablation.training.launch import Arguments, Part
from nmt_ablation.training.plugin import ArmPlan
from nmt_ablation.workspace import Json

POLL_SECONDS = 0.2
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
WORK = "processes.pickle"
KILLED = {code for number in SIGNALS for code in (-number, 128 + number)}
"""Exit codes, of a process and of srun, where a stop was asked for before a process could answer,
or after it had: there is a checkpoint then, or nothing yet to keep."""


def train(
    arguments: Arguments, arms: Sequence[ArmPlan], folder: Path, progress: OnProgress
) -> list[Json | UserError]:
    """Train as `launch.train` does, with as many processes as the experiment asks for.

    Raises:
        StoppedError: as there.
        UserError: there are not so many GPUs, or tasks of a SLURM job.
        RuntimeError: a process has died; the others are ended then.
    """
    if arguments.training.processes == 1:
        return launch.train(arguments, arms, folder, progress)
    if not launch.is_recorded(arms):
        work = folder / WORK
        work.write_bytes(pickle.dumps((arguments, arms, folder, progress, _meeting())))
        _run(_commands(work, arguments.training.processes, arguments.training.threads))
    return launch.outcomes(arms)


def main() -> None:
    """Of one of the processes, which is started by `train` and by nobody else."""
    arguments, arms, folder, progress, meeting = pickle.loads(Path(sys.argv[1]).read_bytes())
    names = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
    if "SLURM_PROCID" not in os.environ:
        names = ("RANK", "WORLD_SIZE", "RANK")
    rank, processes, local = (int(os.environ[name]) for name in names)
    if processes != arguments.training.processes:
        sys.exit(
            f"error: {processes} processes were started, and the experiment asks for "
            f"{arguments.training.processes}: they would not train one model"
        )
    # Where each is shown its own GPU alone, that is number 0.
    device = local if torch.cuda.device_count() > 1 else 0
    code = 0
    try:
        launch.train(arguments, arms, folder, progress, Part(rank, device, meeting))
    except StoppedError:
        code = EXIT_CODE
    leave()
    # Threads of torch's that still run would have an orderly exit end in an abort.
    os._exit(code)


def _commands(work: Path, processes: int, threads: int) -> list[tuple[list[str], dict[str, str]]]:
    """What is to be started, each with what is added to its environment."""
    command = [sys.executable, "-m", __name__, str(work)]
    if "SLURM_JOB_ID" in os.environ:
        tasks = int(os.environ.get("SLURM_NTASKS", 1))
        if tasks != processes:
            raise UserError(
                f"training.processes is {processes}, and this SLURM job has {tasks} tasks: ask for "
                f"--ntasks={processes}, as nmt-ablation submit does"
            )
        asked = [f"--ntasks={processes}", f"--cpus-per-task={threads}", "--kill-on-bad-exit=1"]
        return [(["srun", *asked, *command], {})]
    if torch.cuda.is_available() and torch.cuda.device_count() < processes:
        raise UserError(
            f"training.processes is {processes}, and this machine has "
            f"{torch.cuda.device_count()} GPUs: each process needs one"
        )
    sides = [{"RANK": str(rank), "WORLD_SIZE": str(processes)} for rank in range(processes)]
    return [(command, side) for side in sides]


def _run(commands: Sequence[tuple[list[str], dict[str, str]]]) -> None:
    """Run processes side by side until all have ended well, or one has not."""
    running = [
        subprocess.Popen(command, env=os.environ | more, preexec_fn=partial(_end_with, os.getpid()))
        for command, more in commands
    ]

    def ask_to_stop() -> None:
        for process in running:
            if process.poll() is None:
                process.send_signal(SIGNALS[0])

    try:
        with when_asked(ask_to_stop):
            while any(process.poll() is None for process in running):
                time.sleep(POLL_SECONDS)
                codes = [process.returncode for process in running]
                if KILLED.intersection(codes):
                    break
                if any(code not in (None, 0, EXIT_CODE) for code in codes):
                    raise RuntimeError(f"of the processes that train, one has died: {codes}")
    finally:
        codes = [process.poll() for process in running]
        for process in running:
            process.kill()
            process.wait()
    if {EXIT_CODE, *KILLED}.intersection(codes):
        raise StoppedError("training stopped with a checkpoint")
    if any(codes):
        raise RuntimeError(f"of the processes that train, one has died: {codes}")


def _meeting() -> str:
    """An address of this machine, where the first of the processes will be, with a free port."""
    host = (
        socket.gethostname() if int(os.environ.get("SLURM_JOB_NUM_NODES", 1)) > 1 else "127.0.0.1"
    )
    with socket.socket() as free:
        free.bind(("", 0))
        return f"tcp://{host}:{free.getsockname()[1]}"


def _end_with(parent: int) -> None:
    """In a process that has just been made: have it die with its parent, which was killed if it did
    not wait, so that nobody trains in a folder whose lock is free. Linux alone can."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main()
