"""Folders and limits of this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Folders and limits of this machine, which are no part of an experiment."""

    mirror: str | None
    """A folder or URL in OPUS's layout to fetch from instead of OPUS."""
    data: Path
    """The folder in which relative paths of an experiment start."""
    max_bytes: int | None = None
    """The largest file that may be fetched."""
    known: Mapping[str, str] = field(default_factory=dict)
    """The digests that the user's files had in earlier runs, by absolute path: finished work needs
    no more of files that have been removed."""
    events: Path | None = None
    """The folder for TensorBoard's files, one folder a cell, or None for none."""
