"""The stage that fits a published model's weights to a model of its shape."""

from dataclasses import dataclass, field
from typing import ClassVar

from nmt_ablation.errors import UserError
from nmt_ablation.model.config import Model
from nmt_ablation.model.parts import Part
from nmt_ablation.pretrained.kind import NETWORK
from nmt_ablation.stage import Build, File
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.stages.pretrained import Weights
from nmt_ablation.stages.tokens import Segmentation
from nmt_ablation.values import SIDES, Side


@dataclass(frozen=True)
class PublishedRecord:
    rows: dict[Side, int]
    """The number of tokens of each side that have embeddings of the published model's."""
    tokens: dict[Side, int]
    """The number of tokens of each side."""


@dataclass(frozen=True, eq=False)
class Published(Weights[PublishedRecord]):
    """A published model's weights for some parts, with embeddings of the dictionary's tokens."""

    name: ClassVar[str] = "published"

    fetched: FetchPretrained
    segmentation: Segmentation
    model: Model
    parts: tuple[Part, ...]
    where: str = field(compare=False)
    """The place in the experiment file, for messages."""

    @property
    def weights(self) -> File:
        return File(self, NETWORK)

    def build(self, to: Build) -> PublishedRecord:
        from nmt_ablation.foreign.start import write

        dictionaries = {side: to.path(self.segmentation.dictionary(side)) for side in SIDES}
        try:
            rows = write(
                to.artifact(self.fetched),
                self.model,
                self.parts,
                dictionaries,
                to.path(self.weights),
            )
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from None
        return PublishedRecord(
            rows, {side: len(self.segmentation.tokens(side, to)) for side in rows}
        )
