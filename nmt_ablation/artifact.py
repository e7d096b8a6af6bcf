"""The files of an artifact: its manifest, what it was made of, and the sums that seal them."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from nmt_ablation.errors import UserError, first_line
from nmt_ablation.files import sha256
from nmt_ablation.stage import Record, Stage

MANIFEST = "artifact.json"
SEALS = "artifact.sha256"
"""The file with the SHA-256 of all other files of an artifact, as sha256sum writes it."""
LOG = ".log"
"""The ending of logs, which may grow after an artifact is finished."""
PARTIAL, FORGOTTEN = ".partial", ".forgotten"
"""The endings of an artifact that is being built, and of one that is being removed."""
DAMAGED = ".damaged"
"""The ending of an artifact that was set aside, as it is not what was built."""
OTHER_SUM = "its SHA-256 is another one"


class DamagedError(UserError):
    """A file of an artifact is not what was built."""

    def __init__(self, folder: Path, name: str, why: str) -> None:
        super().__init__(
            f"{folder}: {name} is damaged or was edited ({why}); remove that folder, and the next "
            "run builds it again"
        )


class Manifest(BaseModel):
    """The description of a finished artifact."""

    stage: str
    digest: str
    version: int
    parameters: dict[str, Any]
    inputs: dict[str, str]
    """The digests of the inputs, by name."""
    record: Any
    """The return value of the stage's `build`, as JSON."""
    files: dict[str, str] = {}
    """The SHA-256 of each file, by its path in the folder."""
    seconds: float = 0.0
    """Seconds of the build, since it last began or resumed."""
    finished: str = ""
    nmt_ablation: str = ""
    python: str = ""


@dataclass(frozen=True)
class Provenance:
    """The records of an artifact and of everything that it was made of."""

    manifests: Mapping[str, Manifest]
    """Manifests by digest."""

    def __contains__(self, stage: Stage[Any]) -> bool:
        return stage.digest in self.manifests

    def __getitem__(self, stage: Stage[Record]) -> Record:
        """Return the record of a stage.

        Raises:
            KeyError: the artifact was not made of it.
        """
        return read_record(stage, self.manifests[stage.digest].record)

    def __or__(self, other: "Provenance") -> "Provenance":
        return Provenance({**self.manifests, **other.manifests})


def seals(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that an artifact had when it was built; none of artifacts of
    earlier versions."""
    try:
        text = (folder / SEALS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    lines = (line.partition("  ") for line in text.splitlines())
    return {name: digest for digest, _, name in lines}


def damaged(folder: Path) -> list[str]:
    """Return the names of an artifact's files that are not what was built, or that are missing."""
    built = seals(folder) or _built_earlier(folder)
    if built is None:
        return [MANIFEST]
    wrong = []
    for name, digest in built.items():
        path = folder / name
        if path.suffix != LOG and not (path.is_file() and sha256(path) == digest):
            wrong.append(name)
    return wrong


def discard(folder: Path) -> None:
    """Remove an artifact, whose lock is held."""
    # Renamed first: if deletion is interrupted, no half artifact is left in place.
    shutil.rmtree(folder.rename(folder.with_suffix(FORGOTTEN)), ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Rename an artifact, so that it is built again; return its new name."""
    aside = folder.with_suffix(DAMAGED)
    shutil.rmtree(aside, ignore_errors=True)
    return folder.rename(aside)


def _built_earlier(folder: Path) -> dict[str, str] | None:
    """Return the SHA-256 of the files of an artifact without seals; None if its manifest is
    damaged."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes()).files
    except (OSError, ValidationError):
        return None


def sealed(path: Path) -> bytes:
    """Return the content of a file, checked against its artifact's seals.

    Raises:
        DamagedError: it is another one.
    """
    content = path.read_bytes()
    seal = seals(path.parent).get(path.name)
    if seal is not None and hashlib.sha256(content).hexdigest() != seal:
        raise DamagedError(path.parent, path.name, OTHER_SUM)
    return content


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file but logs, by its path in the folder."""
    files = sorted(it for it in folder.rglob("*") if it.is_file() and it.suffix != LOG)
    with ThreadPoolExecutor() as workers:  # hashing releases the interpreter's lock
        hashes = workers.map(sha256, files)
        return {
            str(path.relative_to(folder)): found for path, found in zip(files, hashes, strict=True)
        }


def read_record(stage: Stage[Record], plain: Any) -> Record:
    """Return a record in the type that its stage's `build` returns.

    Raises:
        UserError: another version of this program wrote it.
    """
    try:
        record: Record = record_type(type(stage).build).validate_python(plain)
    except ValidationError as error:
        raise UserError(
            f"store/{stage.name}/{stage.digest}: was built by another version of nmt-ablation "
            f"({first_line(error)}); remove that folder, and the next run builds it again"
        ) from None
    return record


@cache
def record_type(builder: Callable[..., Any]) -> TypeAdapter[Any]:
    """Return the type that a stage's `build` returns."""
    return TypeAdapter(get_type_hints(builder)["return"])
