"""Files that are whole or not there, locks that end with their process, and digests of content."""

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

UNFINISHED = ".unfinished"


def beside_it(path: Path) -> Path:
    """Where a file is written before it takes its name; a kill that leaves it does no harm."""
    return path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either whole or not there, whenever the machine stops."""
    beside = beside_it(path)
    with beside.open("wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def machine_lock(name: str) -> FileLock:
    """A lock among all processes of this user on this machine."""
    folder = Path(tempfile.gettempdir()) / f"nmt-ablation-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return lock(folder / f"{hashlib.sha256(name.encode()).hexdigest()[:20]}.lock")


def lock(path: Path) -> FileLock:
    """A lock that ends with its process, however that ends. Where a file system has none, filelock
    would make do with a file, which killed processes leave behind for others to wait for."""
    return FileLock(path, fallback_to_soft=False)


def sync(path: Path) -> None:
    """See that a file, or the names in a folder, outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def sha256(path: Path) -> str:
    """Of a file's content; hashed once in a process, unless the file changes."""
    stat = path.stat()
    return _sha256(path, stat.st_mtime_ns, stat.st_size)


@cache
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
