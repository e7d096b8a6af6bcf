"""The stage that measures how well a published encoder finds translations."""

from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.stage import Build, Stage
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.stages.held_out import HoldOut
from nmt_ablation.values import SIDES

MOST = 1000
"""Pairs of the validation set that are used, from its start."""


@dataclass(frozen=True)
class LayerRecord:
    layer: int
    source_to_target: float
    target_to_source: float


@dataclass(frozen=True)
class RetrievalRecord:
    pairs: int
    layers: list[LayerRecord]
    """The precision at 1 by each layer, from the embeddings; none for a model without encoder."""


@dataclass(frozen=True, eq=False)
class Retrieval(Stage[RetrievalRecord]):
    """The retrieval of the validation set's translations by a published encoder's layers."""

    name: ClassVar[str] = "retrieval"

    fetched: FetchPretrained
    hold_out: HoldOut

    def build(self, to: Build) -> RetrievalRecord:
        from nmt_ablation.foreign.weights import family
        from nmt_ablation.translation.retrieval import retrieval

        folder = to.artifact(self.fetched)
        source, target = (
            list(islice(text.stream_lines(to.path(self.hold_out.side("valid", side))), MOST))
            for side in SIDES
        )
        if "encoder" not in family(folder).stacks:
            return RetrievalRecord(len(source), [])
        found = retrieval(folder, source, target, to.progress)
        layers = [LayerRecord(layer, *precision) for layer, precision in enumerate(found)]
        return RetrievalRecord(len(source), layers)
