"""Libraries that others import and that nothing here needs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Placeholder(ModuleType):
    """A module whose every name is None."""

    def __getattr__(self, name: str) -> Any:
        return None


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Keep modules from being imported, unless they are already."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update({name: _Placeholder(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
