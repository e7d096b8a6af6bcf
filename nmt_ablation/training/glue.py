"""Every work-round for fairseq, and the only global state, which fairseq makes necessary.

fairseq makes its task and its optimizer from their names, so no plan can be passed to them: `start`
puts the plan here beforehand, and the task finds it here.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partialmethod
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt_ablation.training.plan import Plan
    from nmt_ablation.training.state import TrainingState

NEVER = "1000000000"
"""An interval that no training reaches."""


class _Placeholder(ModuleType):
    """A module whose every name is None."""

    def __getattr__(self, name: str) -> Any:
        return None


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Keep modules from being imported, unless they are already."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update({name: _Placeholder(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


# fairseq imports these for audio classification and sentence prediction, which nothing here needs.
# They take a third of the time in which a process starts.
with _without("sklearn", "sklearn.metrics", "scipy.stats"):
    import fairseq  # noqa: F401

from fairseq.file_io import PathManager
from fairseq.trainer import Trainer

from nmt_ablation.model import checkpoint


class EndedError(BaseException):
    """The end of a training; fairseq has no other way to be told.

    The class is no Exception, because fairseq takes an Exception for a crash and saves everything.
    """


@dataclass
class Session:
    """The plan and state of a training, and the requests to its task while fairseq runs."""

    plan: "Plan"
    state: "TrainingState"
    stop: bool = False
    """A request to stop with a checkpoint as soon as possible."""

    def ask_to_stop(self) -> None:
        """Have training stop with a checkpoint."""
        self.stop = True


_sessions: list[Session] = []


def start(plan: "Plan", state: "TrainingState") -> Session:
    """Begin a session: the next task that fairseq makes follows this plan, and keeps this state."""
    _sessions[:] = [Session(plan, state)]
    return _sessions[0]


def session() -> Session:
    """Return the session that was begun last."""
    return _sessions[0]


def patch() -> None:
    """Replace functions of fairseq that would lose data, in this process."""
    # Killed midway, fairseq's own copy leaves a torn checkpoint.
    PathManager.copy = staticmethod(checkpoint.copy)
    # Otherwise fairseq skips batches that don't fit into memory, and arms would see different data.
    Trainer.train_step = partialmethod(Trainer.train_step, raise_oom=True)


def save_after_this_update(configuration: Any) -> bool:
    """Have fairseq save after the current update; return True if it has been asked before.

    fairseq saves at no other point.
    """
    asked: bool = configuration.checkpoint.save_interval_updates == 1
    configuration.checkpoint.save_interval_updates = 1
    return asked
