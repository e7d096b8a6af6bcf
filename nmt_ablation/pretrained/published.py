from collections.abc import Iterator
from typing import ClassVar, Literal

from nmt_ablation.model.parts import PARTS, Part, Sees
from nmt_ablation.objectives import Stack
from nmt_ablation.pretrained.hosted import WHERE, Hosted
from nmt_ablation.pretrained.kind import Pretrained, Problem, Setting
from nmt_ablation.values import SIDES, Side


class Published(Hosted, Pretrained):
    """A published model: an encoder (BERT, mBERT, LaBSE, E5, XLM-R, DistilBERT), a decoder (GPT-2),
    or both (mBART, NLLB). Its states may be features; a model of the same style and dimensions may
    start from its layers and embeddings."""

    unsigned: ClassVar[frozenset[str]] = Pretrained.unsigned | WHERE

    kind: Literal["published"]

    @property
    def whole(self) -> bool:
        return True

    def parts(self, setting: Setting) -> tuple[Part, ...]:
        return PARTS  # what it has is seen in its configuration

    @property
    def reads(self) -> tuple[Stack, tuple[Sees, ...]]:
        return "encoder", ("all",)

    def sides(self, setting: Setting) -> tuple[Side, ...]:
        return SIDES  # nobody knows which languages it has read

    def problems(self, setting: Setting) -> Iterator[Problem]:
        if setting.segmentation.type != "checkpoint":
            yield (
                (),
                "a published model knows its own subwords only; set segmentation to "
                "{type: checkpoint, checkpoint: its name}",
            )
