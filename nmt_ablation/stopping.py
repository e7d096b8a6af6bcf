"""Stopping when asked to, where the same command can go on: by SIGUSR1 or SIGTERM, which a cluster
sends before it takes a machine away."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nmt_ablation.errors import UserError

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h; a cluster's script takes it as a wish to be queued again."""
SIGNALS = (signal.SIGUSR1, signal.SIGTERM)


class StoppedError(UserError):
    """Something outside asked for a stop, and everything that was at work is where it can go on."""


@contextmanager
def when_asked(call: Callable[[], None]) -> Iterator[None]:
    """Have a function called, in the main thread, for each signal that asks for a stop."""
    before = {number: signal.signal(number, lambda *_: call()) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
