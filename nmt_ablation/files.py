"""Files written whole or not at all, locks that end with their process, and content hashes."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock

from nmt_ablation.errors import UserError

UNFINISHED = ".unfinished"
ROOM = "make room, or name a folder on another disk, and call the same command again"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say what the user can mend where a file can't be written.

    Raises:
        UserError: the disk is full, or the folder is not ours to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{folder}: the disk is full; {ROOM}") from None
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise UserError(
                f"{error.filename or folder}: {error.strerror}; check that it may be read and "
                "written, or name another folder"
            ) from None
        raise


def beside_it(path: Path) -> Path:
    """Return a temporary name beside a file; a leftover of a killed process does no harm."""
    return path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is whole or missing, whenever the machine stops."""
    beside = beside_it(path)
    with beside.open("wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def machine_lock(name: str) -> FileLock:
    """Return a lock among all processes of this user on this machine."""
    folder = Path(tempfile.gettempdir()) / f"nmt-ablation-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return lock(folder / f"{hashlib.sha256(name.encode()).hexdigest()[:20]}.lock")


def lock(path: Path) -> FileLock:
    """Return a lock that ends with its process, however that ends."""
    return FileLock(path, fallback_to_soft=False)


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, computed once in a process unless the file changes."""
    stat = path.stat()
    return _sha256(path, stat.st_mtime_ns, stat.st_size)


@cache
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
