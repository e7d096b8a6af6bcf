"""Where an experiment finds what it needs on this machine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where things are on this machine, and what it allows; none of it is part of an experiment."""

    mirror: str | None
    """A folder or URL in OPUS's layout to fetch from instead of OPUS."""
    data: Path
    """Where relative paths of held-out files start."""
    max_bytes: int | None = None
    """The largest file that may be fetched."""
    events: Path | None = None
    """Where TensorBoard's files go, a folder a cell, if they are wanted."""
