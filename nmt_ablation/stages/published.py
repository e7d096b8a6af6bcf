"""The stage that fits a published model's weights to a model of its shape."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nmt_ablation.errors import UserError
from nmt_ablation.foreign.weights import CONFIG
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
    model: Model
    """The architecture that the weights are of."""
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
    model: Model | None
    """The architecture that starts from it; None for its own."""
    parts: tuple[Part, ...]
    """The parts that are needed; none for the architecture alone."""
    where: str = field(compare=False)
    """The place in the experiment file, for messages."""

    @property
    def weights(self) -> File:
        return File(self, NETWORK)

    def shape(self) -> Model | None:
        """Return the architecture of the weights; None for that of a model that isn't here yet.

        Raises:
            UserError: a local model lacks a part, or is of another shape.
        """
        local = self.fetched.files.get(CONFIG)
        return self.check(Path(local.path).parent) if local else self.model

    def check(self, folder: Path) -> Model:
        """Return the architecture that the weights of the model in a folder are for.

        Raises:
            UserError: the published model lacks a part, or is of another shape.
        """
        from nmt_ablation.foreign.start import check, encoder_of

        with self._named():
            if self.model is None:
                return encoder_of(folder)
            check(folder, self.model, self.parts)
            return self.model

    def build(self, to: Build) -> PublishedRecord:
        from nmt_ablation.foreign.start import write

        folder = to.artifact(self.fetched)
        dictionaries = {side: to.path(self.segmentation.dictionary(side)) for side in SIDES}
        model = self.check(folder)
        with self._named():
            rows = write(folder, model, self.parts, dictionaries, to.path(self.weights))
        tokens = {side: len(self.segmentation.tokens(side, to)) for side in rows}
        return PublishedRecord(model, rows, tokens)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Have errors name the place in the experiment file."""
        try:
            yield
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from None
