"""Replacement of a report's files, all of them or none."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nmt_ablation.files import sync


def replace(new: Path, folder: Path, kinds: Mapping[str, str]) -> None:
    """Replace the files of an older report, or leave all of them.

    A process killed between two files leaves copies of the older files, for `restore`.

    Args:
        new: a folder with the new files, on the same file system; it is emptied.
        folder: the folder of the report; other files in it stay.
        kinds: the name of each file that a report may have, by its kind.
    """
    restore(folder, kinds)
    before = _before(folder, kinds)
    copies = before.with_suffix(".unfinished")
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    for name in kinds.values():
        if (folder / name).exists():
            _copy(folder / name, copies / name)
    for path in new.iterdir():
        sync(path)
    sync(copies)
    copies.rename(before)
    try:
        for name in kinds.values():
            if (new / name).exists():
                (new / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
        sync(folder)
    except BaseException:
        restore(folder, kinds)
        raise
    done = before.with_suffix(".done")
    before.rename(done)  # from here on the new report is the valid one
    shutil.rmtree(done, ignore_errors=True)


def restore(folder: Path, kinds: Mapping[str, str]) -> None:
    """Restore the report that a killed command was replacing, if there is one."""
    before = _before(folder, kinds)
    if not before.is_dir():
        return
    for name in kinds.values():
        if (before / name).exists():
            _copy(before / name, beside := before / f"{name}.copy")
            beside.replace(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    shutil.rmtree(before)


def _before(folder: Path, kinds: Mapping[str, str]) -> Path:
    """Return the folder of the older files' copies."""
    return folder / f".{kinds['html']}.before"


def _copy(path: Path, to: Path) -> None:
    """Link a file under another name, or copy it if the file system has no links."""
    with suppress(OSError):
        os.link(path, to)
        return
    shutil.copy2(path, to)
