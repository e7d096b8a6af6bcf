"""Mirrors: folders in OPUS's layout, with a listing, for machines without a network."""

import gzip
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from nmt_ablation.errors import UserError
from nmt_ablation.files import write_atomically, writing
from nmt_ablation.opus import fetch
from nmt_ablation.opus.lock import Lock
from nmt_ablation.progress import OnProgress

LISTING = "opusapi.json"

Row = dict[str, str | int]
"""An entry of the listing."""


def add(
    file: str, to: Path, source: str | None, progress: OnProgress, lock: Lock, max_bytes: int | None
) -> None:
    """Copy a file into the mirror `to`, from another mirror or OPUS, unless it is there and whole.

    Raises:
        UserError: as `fetch.fetch`.
    """
    folder = (to / file).parent
    with writing(to):
        folder.mkdir(parents=True, exist_ok=True)
    fetch.fetch(file, source, folder, progress, lock, max_bytes)


def write_listing(to: Path, files: Iterable[str]) -> None:
    """Enter files of the mirror into its listing, in the form of OPUS's API.

    Raises:
        UserError: the listing that is there can't be read, or the folder not be written.
    """
    listing = to / LISTING
    try:
        known: list[Row] = []
        if listing.exists():
            known = json.loads(listing.read_text(encoding="utf-8"))["corpora"]
        by_url = {str(row["url"]): row for row in known}
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{listing}: is no listing of OPUS's; bring back a copy, or remove it to have one "
            "written of this experiment's files"
        ) from None
    for file in files:
        url = f"{fetch.OPUS}/{file}"
        size = (to / file).stat().st_size >> 10
        if by_url.get(url, {}).get("size") != size:
            last = max((int(row["id"]) for row in by_url.values()), default=0)
            by_url[url] = _row(last + 1, to, file, size)
    rows = list(by_url.values())
    for row in rows:
        versions = [str(other["version"]) for other in rows if _what(other) == _what(row)]
        row["latest"] = str(row["version"] == max(versions, key=_numbers))
    with writing(to):
        write_atomically(listing, json.dumps({"corpora": rows}, indent=1, ensure_ascii=False))


def _row(number: int, to: Path, file: str, size: int) -> Row:
    """Return a file's entry in the listing: `size` in KiB, and "" for unknown values."""
    path = PurePosixPath(file)
    corpus, version, preprocessing, name = path.parts
    source, _, target = name.split(".")[0].partition("-")
    return {
        "id": number,
        "corpus": corpus.removeprefix("OPUS-"),
        "version": version,
        "latest": "",
        "preprocessing": preprocessing,
        "source": source,
        "target": target,
        "alignment_pairs": _lines(to / file, source),
        "documents": "",
        "source_tokens": "",
        "target_tokens": "",
        "size": size,
        "url": f"{fetch.OPUS}/{file}",
    }


def _lines(path: Path, source: str) -> int | str:
    """Count the sentence pairs or lines in a file; "" if it has no lines."""
    if path.name.endswith(".txt.gz"):
        with gzip.open(path) as lines:
            return sum(1 for _ in lines)
    if path.name.endswith(".txt.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(f".{source}"):
                    with archive.open(name) as lines:
                        return sum(1 for _ in lines)
    return ""


def _what(row: Row) -> tuple[str | int, ...]:
    return tuple(row[key] for key in ("corpus", "preprocessing", "source", "target"))


def _numbers(version: str) -> tuple[list[int], str]:
    """Return a key that sorts v10 after v9."""
    return [int(number) for number in re.findall(r"\d+", version)], version
