"""Progress of long work: passed to a callback, kept in a file, read by a watcher."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nmt_ablation.files import beside_it

OnProgress = Callable[[float, float], None]
"""A callback for progress: the amount done and the whole, in any unit."""


class Progress(NamedTuple):
    """The progress of a step that is being built, or was when it stopped."""

    done: float
    whole: float
    """The whole, or 0 if it isn't known."""
    begun_at: float
    """The value of `done` when building began or resumed."""
    begun: float
    """The time of that, in seconds since 1970."""
    told: float
    """The time of this report, in seconds since 1970."""

    @property
    def speed(self) -> float | None:
        """Units a second; None if it is too early to say."""
        seconds = self.told - self.begun
        return (self.done - self.begun_at) / seconds if seconds > 1 else None


class ProgressFile:
    """A progress callback that writes a file, and can be pickled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: Progress | None = None

    def __call__(self, done: float, whole: float) -> None:
        now = time.time()
        if self.told is None or now - self.told.told > 0.5:
            begun = self.told or Progress(done, whole, done, now, now)
            self.told = begun._replace(done=done, whole=whole, told=now)
            beside = beside_it(self.path)
            beside.write_text(json.dumps(self.told))
            beside.replace(self.path)
