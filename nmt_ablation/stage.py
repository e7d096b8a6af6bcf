"""Stages on the way from corpora to scores, each of which builds one artifact.

A stage is a frozen dataclass. Its fields determine its artifact: other stages, or files of other
stages, are its inputs, and all other values its parameters. The digest covers all of them, so that
a changed value changes the artifacts that depend on it and no others. Fields with `compare=False`
are outside the digest: paths on this machine, and names that only messages show.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from nmt_ablation.files import sha256
from nmt_ablation.progress import OnProgress

Record = TypeVar("Record", covariant=True)
AnyStage: TypeAlias = "Stage[Any]"
Plain = Any
"""A value that JSON can hold."""


@dataclass(frozen=True)
class DataFile:
    """A file of the user's own. Its content enters digests; its path doesn't."""

    path: Path
    known: str | None = None
    """The digest of a file that isn't there any more, from an earlier run."""

    @property
    def sha256(self) -> str:
        """The digest of the content."""
        return self.known or sha256(self.path)


@dataclass(frozen=True)
class File:
    """A file of a stage's artifact, wherever that is."""

    stage: AnyStage
    name: str


@dataclass(frozen=True)
class Build:
    """Everything that a stage is given to build its artifact."""

    stage: AnyStage
    folder: Path
    """The folder that the stage fills."""
    folders: Mapping[str, Path]
    """The finished artifacts of the inputs, by digest."""
    files: Callable[[File], Path]
    """A function that returns the path of a file of an input, and checks the file."""
    records: Callable[[AnyStage], Any]
    """A function that returns the record of an input."""
    progress: OnProgress
    """A callback to call now and then, with the amount done and the whole."""

    def path(self, file: File) -> Path:
        """Return the path of a file of the stage or of one of its inputs."""
        if file.stage.digest == self.stage.digest:
            return self.folder / file.name
        return self.files(file)

    def artifact(self, stage: AnyStage) -> Path:
        """Return the folder of an input."""
        return self.folders[stage.digest]

    def record(self, stage: "Stage[Record]") -> Record:
        """Return the record of an input."""
        record: Record = self.records(stage)
        return record


class Stage(Generic[Record]):
    """The recipe of one artifact. Stages are equal if their digests are."""

    name: ClassVar[str]
    """The name of the artifacts' folder in the store."""
    version: ClassVar[int] = 1
    """The version of the code that builds; raised when that code gives another result."""
    resumable: ClassVar[bool] = False
    """True if a build resumes from the files that an earlier try left in the folder."""
    when_ready: ClassVar[bool] = False
    """True if the stage is built only when all its inputs are: another job may build them."""
    needs_network: ClassVar[bool] = False
    """True if a build may contact a server."""

    @property
    def alone(self) -> bool:
        """The need of a process of its own, where nothing else was built."""
        return False

    @cached_property
    def waits(self) -> bool:
        """True if something that it needs is built alone."""
        return any(it.alone or it.waits for it in self.inputs.values())

    @property
    def title(self) -> str:
        """A name for the job that builds the stage, if it is built alone."""
        return self.name

    def build(self, to: Build) -> Record:
        """Fill the folder, and return the record."""
        raise NotImplementedError

    @cached_property
    def inputs(self) -> dict[str, AnyStage]:
        """All stages that the fields name, by the names of the fields."""
        return dict(_stages_in("", self._signed()))

    @cached_property
    def parameters(self) -> dict[str, Plain]:
        """All fields but the inputs."""
        plain = {name: _plain(value) for name, value in self._signed().items()}
        return {name: value for name, value in plain.items() if value is not _INPUT}

    @cached_property
    def digest(self) -> str:
        """The digest of everything that makes this artifact: 20 hexadecimal digits."""
        recipe = {
            "stage": self.name,
            "version": self.version,
            "parameters": self.parameters,
            "inputs": {name: stage.digest for name, stage in self.inputs.items()},
        }
        text = json.dumps(recipe, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def ancestors(self) -> Iterator[AnyStage]:
        """Yield all stages that this one needs, each before those that need it, and itself last."""
        seen: set[str] = set()

        def walk(stage: AnyStage) -> Iterator[AnyStage]:
            if stage.digest not in seen:
                seen.add(stage.digest)
                for needed in stage.inputs.values():
                    yield from walk(needed)
                yield stage

        yield from walk(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def _signed(self) -> dict[str, object]:
        """Return the fields that the digest covers: not those that have their default, so that a
        new field changes no older artifact."""
        assert is_dataclass(self)
        covered = {it.name: (getattr(self, it.name), it) for it in fields(self) if it.compare}
        return {name: value for name, (value, it) in covered.items() if value != it.default}


_INPUT = object()


def _stages_in(name: str, value: object) -> Iterator[tuple[str, AnyStage]]:
    if isinstance(value, File):
        value = value.stage
    if isinstance(value, Stage):
        yield name, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _stages_in(f"{name}.{key}" if name else str(key), each)
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            yield from _stages_in(f"{name}.{number}", each)
    elif is_dataclass(value) and not isinstance(value, type):
        for it in fields(value):
            if it.compare:
                yield from _stages_in(f"{name}.{it.name}", getattr(value, it.name))


def _plain(value: object) -> Plain:
    """Return a value as JSON, without the stages in it; `_INPUT` if nothing else is left."""
    if isinstance(value, Stage):
        return _INPUT
    if isinstance(value, File):
        return value.name
    if isinstance(value, DataFile):
        return value.sha256
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", serialize_as_any=True)
    if isinstance(value, Mapping):
        entries = {str(key): _plain(each) for key, each in value.items()}
        left = {key: each for key, each in entries.items() if each is not _INPUT}
        return left if left or not entries else _INPUT
    if isinstance(value, tuple):
        items = [_plain(each) for each in value]
        kept = [each for each in items if each is not _INPUT]
        return kept if kept or not items else _INPUT
    if is_dataclass(value) and not isinstance(value, type):
        return _plain({it.name: getattr(value, it.name) for it in fields(value) if it.compare})
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{value!r} can't be part of a digest")
