"""How far long work is: told to a callback, kept in a file, read by whoever watches."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nmt_ablation.files import beside_it

OnProgress = Callable[[float, float], None]
"""Called with what is done and the whole, in any unit."""


class Progress(NamedTuple):
    """How far a step is that is being built, or was when it was stopped."""

    done: float
    whole: float
    """0 if nobody knows."""
    begun_at: float
    """Of `done`, when its building was begun or gone on with."""
    begun: float
    """When that was, in seconds since 1970."""
    told: float
    """When this was told."""

    @property
    def speed(self) -> float | None:
        """In a second; None so soon after the beginning that it can't be said."""
        seconds = self.told - self.begun
        return (self.done - self.begun_at) / seconds if seconds > 1 else None


class ProgressFile:
    """An `OnProgress` that writes into a folder, and can travel to another process."""

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
