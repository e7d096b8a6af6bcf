"""The keys that all published models have, and how they are fetched."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from nmt_ablation.progress import OnProgress
from nmt_ablation.values import Block

CITED = {
    "labse": "feng-2022",
    "xlm-r": "conneau-2020",
    "bert": "devlin-2019",
    "e5-": "wang-2024",
    "use-multilingual": "yang-2019",
}
"""The papers of well-known encoders, by a part of their names."""
WHERE: frozenset[str] = frozenset(("path", "revision"))
"""Keys that don't change what is fetched: the files' content counts instead."""


class Hosted(Block):
    """A published model: a local directory, as transformers saves it, or a model of the hub."""

    fetches: ClassVar[bool] = True
    papers: ClassVar[Mapping[str, str]] = CITED
    """The papers of well-known models, by a part of their names."""

    path: str
    """A directory, whose relative path starts at the data folder, or `owner/name` of the hub."""
    revision: str | None = None
    """The full hash of a commit, required for a model of the hub."""

    @property
    def shared(self) -> bool:
        return True

    @property
    def address(self) -> str:
        return f"{self.path}@{self.revision}"

    def files(self, data: Path) -> Mapping[str, Path]:
        directory = data / self.path
        if not directory.is_dir():
            return {}
        return {path.name: path for path in sorted(directory.iterdir()) if path.is_file()}

    def fetch(self, data: Path, folder: Path, progress: OnProgress) -> Mapping[str, str]:
        from nmt_ablation.foreign.hub import fetch

        return fetch(self.place(data), self.revision, folder, progress, self.whole).files

    def place(self, data: Path) -> str:
        """Return the directory of a local model, or the name of one of the hub."""
        local = data / self.path
        return str(local) if local.is_dir() else self.path

    @property
    def whole(self) -> bool:
        """True if all weights are needed, and not the input embeddings alone."""
        return False

    def cites(self) -> tuple[str, ...]:
        known = (key for part, key in self.papers.items() if part in self.path.lower())
        return tuple(known)[:1]
