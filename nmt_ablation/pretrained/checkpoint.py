from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from nmt_ablation.pretrained.kind import Built, Given, PretrainedVectors, Problem, Setting
from nmt_ablation.progress import OnProgress
from nmt_ablation.values import SIDES, Side

CITED = {"labse": "feng-2022", "xlm-r": "conneau-2020", "bert": "devlin-2019"}
"""The papers of well-known encoders, by a part of their names."""


class Checkpoint(PretrainedVectors):
    """A published multilingual encoder (mBERT, XLM-R, LaBSE), for the input embeddings of its own
    subwords: a local directory, as transformers saves it, or a model of the hub."""

    version = 3
    fetches = True
    unsigned: ClassVar[frozenset[str]] = PretrainedVectors.unsigned | {"path", "revision"}

    kind: Literal["checkpoint"]
    path: str
    """A directory, whose relative path starts at the data folder, or `owner/name` of the hub."""
    revision: str | None = None
    """The full hash of a commit, required for a model of the hub."""
    unit: Literal["token"] = "token"
    align: None = None

    @property
    def shared(self) -> bool:
        return True

    @property
    def address(self) -> str:
        return f"{self.path}@{self.revision}"

    def problems(self, setting: Setting) -> Iterator[Problem]:
        if setting.segmentation.type != "checkpoint":
            yield (
                (),
                "a checkpoint's embeddings are of its own subwords; set segmentation to "
                "{type: checkpoint, checkpoint: its name}",
            )

    def files(self, data: Path) -> Mapping[str, Path]:
        directory = data / self.path
        if not directory.is_dir():
            return {}
        return {path.name: path for path in sorted(directory.iterdir()) if path.is_file()}

    def fetch(self, data: Path, folder: Path, progress: OnProgress) -> Mapping[str, str]:
        from nmt_ablation.foreign.hub import fetch

        local = data / self.path
        name = str(local) if local.is_dir() else self.path
        return fetch(name, self.revision, folder, progress).files

    def build(self, given: Given) -> dict[Side, Built]:
        from nmt_ablation.foreign.weights import token_embeddings
        from nmt_ablation.pretrained import vec

        assert given.fetched is not None
        record = {}
        for side in SIDES:
            tokens, values = token_embeddings(given.fetched, given.tokens[side])
            vec.write(given.vectors(side), tokens, values)
            record[side] = Built(len(tokens), int(values.shape[1]))
        return record

    def cites(self) -> tuple[str, ...]:
        known = (key for part, key in CITED.items() if part in self.path.lower())
        return tuple(known)[:1]
