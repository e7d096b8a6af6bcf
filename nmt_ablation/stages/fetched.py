"""The stage that fetches pretrained things."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nmt_ablation.pretrained.kind import Pretrained
from nmt_ablation.stage import Build, DataFile, Stage


@dataclass(frozen=True, eq=False)
class FetchPretrained(Stage[dict[str, str]]):
    """The files of a checkpoint. The record is the SHA-256 of each."""

    name: ClassVar[str] = "checkpoint"
    version: ClassVar[int] = 2
    resumable: ClassVar[bool] = True
    needs_network: ClassVar[bool] = True

    files: Mapping[str, DataFile]
    """The user's own files, if the checkpoint consists of such."""
    address: str
    """The pinned address to fetch from; empty for files of the user's own."""
    thing: Pretrained = field(compare=False)
    data: Path = field(compare=False)

    def build(self, to: Build) -> dict[str, str]:
        return dict(self.thing.fetch(self.data, to.folder, to.progress))
