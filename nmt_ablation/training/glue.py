"""Every work-round for fairseq, and the only global state, which fairseq makes necessary.

fairseq makes its task and its optimizer from their names, so no plan can be passed to them: `start`
puts the plan here beforehand, and the task finds it here.
"""

import contextlib
import ctypes
import logging
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any

import torch

from nmt_ablation.absent import without

NEVER = "1000000000"
"""An interval that no training reaches."""


# fairseq imports these for audio classification and sentence prediction, which nothing here needs.
# They take a third of the time in which a process starts.
with without("sklearn", "sklearn.metrics", "scipy.stats"):
    import fairseq  # noqa: F401

from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager
from fairseq.trainer import Trainer
from fairseq_cli import train as fairseq_train

from nmt_ablation.errors import UserError
from nmt_ablation.model import checkpoint
from nmt_ablation.stopping import when_asked
from nmt_ablation.training.collective import agreed


class EndedError(BaseException):
    """The end of a training; fairseq has no other way to be told.

    The class is no Exception, because fairseq takes an Exception for a crash and saves everything.
    """


@dataclass
class Session:
    """The plan and state of a training, and the requests to its task while fairseq runs."""

    plan: Any
    state: Any
    stop: bool = False
    """A request to stop with a checkpoint as soon as possible."""

    def ask_to_stop(self) -> None:
        """Have training stop with a checkpoint."""
        self.stop = True

    def has_to_leave(self, configuration: Any, device: torch.device) -> bool:
        """Return True if training was asked to stop and has saved since; have fairseq save after
        the current update if it has not."""
        go_on = bool(agreed(torch.tensor([not self.stop], device=device)))
        return not go_on and _save_after_this_update(configuration)


_sessions: list[Session] = []


def start(plan: Any, state: Any) -> Session:
    """Begin a session: the next task that fairseq makes follows this plan, and keeps this state."""
    _sessions[:] = [Session(plan, state)]
    return _sessions[0]


def session() -> Session:
    """Return the session that was begun last."""
    return _sessions[0]


def configuration_of(arguments: list[str], task: str) -> Any:
    """Return fairseq's configuration of a training.

    Args:
        arguments: the arguments of `fairseq-train`.
        task: the name of the task.
    """
    parser = options.get_training_parser(default_task=task)
    return convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, arguments))


def train(
    configuration: Any, running: Session, threads: int, log: Path | None, less_memory: str
) -> None:
    """Run fairseq's trainer until the task ends it, or it was asked to stop.

    Call this once in a process.

    Args:
        log: the file to log to; None to log nothing.
        less_memory: a remedy for too little memory of a GPU.

    Raises:
        UserError: the GPU has not enough memory.
    """
    torch.set_num_threads(threads)
    _keep_memory()
    _patch()
    # Not by --log-file: fairseq adds its handler again in each epoch, and writes each line once for
    # each handler.
    if log is not None:
        logging.getLogger().addHandler(logging.FileHandler(log))
    try:
        with (
            when_asked(running.ask_to_stop),
            contextlib.suppress(EndedError),
            checkpoint.readable(),
        ):
            distributed.call_main(configuration, fairseq_train.main)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the GPU has not enough memory ({str(error).splitlines()[0]}); {less_memory}"
        ) from error


def _keep_memory() -> None:
    """Have glibc keep freed memory. By default glibc returns large blocks to the kernel, which
    clears them for the next update: a tenth of a small model's time."""
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def _patch() -> None:
    """Replace functions of fairseq that would lose data, in this process."""
    # Killed midway, fairseq's own copy leaves a torn checkpoint.
    PathManager.copy = staticmethod(checkpoint.copy)
    # Otherwise fairseq skips batches that don't fit into memory, and arms would see different data.
    Trainer.train_step = partialmethod(Trainer.train_step, raise_oom=True)


def _save_after_this_update(configuration: Any) -> bool:
    """Have fairseq save after the current update; return True if it has been asked before.

    fairseq saves at no other point.
    """
    asked: bool = configuration.checkpoint.save_interval_updates == 1
    configuration.checkpoint.save_interval_updates = 1
    return asked
