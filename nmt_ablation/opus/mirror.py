"""A folder in OPUS's layout, with a listing like OPUS's own, for machines without a network."""

import gzip
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from nmt_ablation.errors import UserError
from nmt_ablation.files import write_atomically
from nmt_ablation.opus import fetch
from nmt_ablation.opus.download import writing
from nmt_ablation.opus.lock import Lock
from nmt_ablation.progress import OnProgress
from nmt_ablation.workspace import Json

LISTING = "opusapi.json"


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
    """Enter files that the mirror has into its listing, in the form of the answers of OPUS's API.

    Raises:
        UserError: the listing that is there can't be read, or the folder not be written.
    """
    listing = to / LISTING
    try:
        rows = (
            json.loads(listing.read_text(encoding="utf-8"))["corpora"] if listing.exists() else []
        )
        by_url = {row["url"]: row for row in rows}
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{listing}: is no listing of OPUS's; bring back a copy, or remove it to have one "
            "written of this experiment's files"
        ) from None
    for file in files:
        url = f"{fetch.OPUS}/{file}"
        size = (to / file).stat().st_size >> 10
        if by_url.get(url, {}).get("size") != size:
            by_url[url] = {"id": max((row["id"] for row in by_url.values()), default=0) + 1} | _row(
                to, file, size
            )
    rows = list(by_url.values())
    for row in rows:
        versions = [other["version"] for other in rows if _what(other) == _what(row)]
        row["latest"] = str(row["version"] == max(versions, key=_numbers))
    with writing(to):
        write_atomically(listing, json.dumps({"corpora": rows}, indent=1, ensure_ascii=False))


def _row(to: Path, file: str, size: int) -> Json:
    """One file, as OPUS's API lists it: `size` in KiB, and "" for what isn't known."""
    path = PurePosixPath(file)
    corpus, version, preprocessing, name = path.parts
    source, _, target = name.split(".")[0].partition("-")
    return {
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
    """How many sentence pairs or lines are in a file, where these are lines."""
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


def _what(row: Json) -> tuple[str, ...]:
    return tuple(row[key] for key in ("corpus", "preprocessing", "source", "target"))


def _numbers(version: str) -> tuple[list[int], str]:
    """An order in which v10 comes after v9."""
    return [int(number) for number in re.findall(r"\d+", version)], version
