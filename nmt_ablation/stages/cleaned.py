"""Stages from files to clean pairs: fetch, clean.

Modules that take long to import are imported in `build`, so that planning is quick.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.records import CleanRecord
from nmt_ablation.opus import fetch
from nmt_ablation.opus.fetch import FetchRecord
from nmt_ablation.opus.lock import Lock
from nmt_ablation.progress import OnProgress
from nmt_ablation.stage import Build, DataFile, File, Stage

if TYPE_CHECKING:
    from nmt_ablation.corpus.clean import Cleaner
    from nmt_ablation.corpus.read import RawBlock


Languages = tuple[str, str]
"""The source and the target language."""


@dataclass(frozen=True, eq=False)
class Fetch(Stage[FetchRecord]):
    """One file of OPUS."""

    name: ClassVar[str] = "fetch"
    resumable: ClassVar[bool] = True
    needs_network: ClassVar[bool] = True

    file: str
    """The path in OPUS's layout."""
    mirror: str | None = field(compare=False)
    lock: Lock = field(compare=False)
    max_bytes: int | None = field(compare=False)

    @property
    def fetched(self) -> File:
        return File(self, Path(self.file).name)

    def build(self, to: Build) -> FetchRecord:
        return fetch.fetch(
            self.file, self.mirror, to.folder, to.progress, self.lock, self.max_bytes
        )


class Clean(Stage[CleanRecord]):
    """A corpus's pairs that pass the filters."""

    limits: Cleaning
    languages: Languages
    label: str

    @property
    def names(self) -> tuple[str, str]:
        """The names of the source and the target file, for messages."""
        return self.label, self.label

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        """Yield the corpus's pairs as they are.

        Args:
            path: a function that finds a file of OPUS.
        """
        raise NotImplementedError

    def cleaner(self) -> "Cleaner":
        """Return the filters."""
        from nmt_ablation.corpus.clean import Cleaner

        return Cleaner(self.limits, self.languages, self.names)

    def build(self, to: Build) -> CleanRecord:
        from nmt_ablation.corpus import cleaned

        cleaner = self.cleaner()
        pairs = cleaner.blocks(self.blocks(to.path, to.progress))
        cleaned.write(pairs, to.folder, self.languages)
        return cleaner.record()


@dataclass(frozen=True, eq=False)
class CleanMoses(Clean):
    """A corpus's pairs that pass the filters, from a file of lines for each side."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 3

    pairs: File
    limits: Cleaning
    languages: Languages
    spelled: Languages
    """The languages as the corpus spells them."""
    min_score: float | None
    label: str = field(compare=False)

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        from nmt_ablation.corpus import read

        scored = self.min_score is not None
        return read.moses_pairs(path(self.pairs), self.spelled, scored, progress)

    def cleaner(self) -> "Cleaner":
        from nmt_ablation.corpus.clean import Cleaner

        return Cleaner(self.limits, self.languages, self.names, self.min_score)


@dataclass(frozen=True, eq=False)
class CleanXml(Clean):
    """A corpus's pairs that pass the filters, from documents and their alignment."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 3

    alignment: File
    source: File
    target: File
    limits: Cleaning
    languages: Languages
    spelled: Languages
    corpus: str
    label: str = field(compare=False)

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        from nmt_ablation.corpus import read

        documents = path(self.source), path(self.target)
        return read.xml_pairs(path(self.alignment), documents, self.corpus, self.spelled)


@dataclass(frozen=True, eq=False)
class CleanOwn(Clean):
    """A corpus's pairs that pass the filters, from two files of the user's own."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 3

    source: DataFile
    target: DataFile
    limits: Cleaning
    languages: Languages
    label: str = field(compare=False)

    @property
    def names(self) -> tuple[str, str]:
        return str(self.source.path), str(self.target.path)

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        from nmt_ablation.corpus import read

        return read.own_pairs([self.source.path, self.target.path], progress)
