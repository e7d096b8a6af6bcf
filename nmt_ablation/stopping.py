"""Stops on SIGUSR1 or SIGTERM, which a cluster sends before it takes a machine away.

Work stops where the same command can go on.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nmt_ablation.errors import UserError

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h, on which a cluster's script queues itself again."""
SIGNALS = (signal.SIGUSR1, signal.SIGTERM)


class StoppedError(UserError):
    """A signal asked for a stop, and all work has stopped where it can go on."""


@contextmanager
def when_asked(call: Callable[[], None]) -> Iterator[None]:
    """Call a function, in the main thread, on each signal that asks for a stop."""
    before = {number: signal.signal(number, lambda *_: call()) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
