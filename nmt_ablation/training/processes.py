"""Processes that train one model together, on this machine or on the nodes of a SLURM job."""

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
from nmt_ablation.training.launch import Arguments, Worker
from nmt_ablation.training.plan import ArmPlan
from nmt_ablation.training.record import Trained

POLL_SECONDS = 0.2
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
WORK = "processes.pickle"
KILLED = {code for number in SIGNALS for code in (-number, 128 + number)}
"""Exit codes of a process or of srun that a signal to stop killed, before the process could handle
the signal or after it had. There is a checkpoint then, or nothing to keep yet."""


def train(
    arguments: Arguments, arms: Sequence[ArmPlan], folder: Path, progress: OnProgress
) -> list[Trained | UserError]:
    """Train as `launch.train` does, in as many processes as the experiment asks for.

    Raises:
        StoppedError: as `launch.train` does.
        UserError: there are too few GPUs, or the SLURM job has another number of tasks.
        RuntimeError: a process has died; the others are then killed.
    """
    if arguments.training.processes == 1:
        return launch.train(arguments, arms, folder, progress)
    if not launch.is_recorded(arms):
        work = folder / WORK
        work.write_bytes(pickle.dumps((arguments, arms, folder, progress, _meeting())))
        _run(_commands(work, arguments.training.processes, arguments.training.threads))
    return launch.outcomes(arms)


def main() -> None:
    """Run one of the processes that `train` starts."""
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
    # A process that sees no GPU but its own finds it at number 0.
    device = local if torch.cuda.device_count() > 1 else 0
    code = 0
    try:
        launch.train(arguments, arms, folder, progress, Worker(rank, device, meeting))
    except StoppedError:
        code = EXIT_CODE
    leave()
    # An orderly exit would abort, as some of torch's threads still run.
    os._exit(code)


def _commands(work: Path, processes: int, threads: int) -> list[tuple[list[str], dict[str, str]]]:
    """Return the commands to start, each with the variables to add to its environment."""
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
    """Run processes side by side until all have succeeded or one has failed."""
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
    """Return an address of this machine, where the first process runs, with a free port."""
    host = (
        socket.gethostname() if int(os.environ.get("SLURM_JOB_NUM_NODES", 1)) > 1 else "127.0.0.1"
    )
    with socket.socket() as free:
        free.bind(("", 0))
        return f"tcp://{host}:{free.getsockname()[1]}"


def _end_with(parent: int) -> None:
    """Have this new process die with its parent, so that it never trains in a folder whose lock a
    killed parent has released. Only Linux can do so."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main()
