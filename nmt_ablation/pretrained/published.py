from collections.abc import Iterator
from typing import ClassVar, Literal

from nmt_ablation.model.parts import PARTS, Part
from nmt_ablation.pretrained.hosted import WHERE, Hosted
from nmt_ablation.pretrained.kind import Pretrained, Problem, Setting


class Published(Hosted, Pretrained):
    """A published model, for the layers and embeddings of a model of the same style and dimensions:
    an encoder (BERT, mBERT, LaBSE, E5, XLM-R, DistilBERT), a decoder (GPT-2), or both (mBART,
    NLLB)."""

    unsigned: ClassVar[frozenset[str]] = Pretrained.unsigned | WHERE

    kind: Literal["published"]

    @property
    def whole(self) -> bool:
        return True

    def parts(self, setting: Setting) -> tuple[Part, ...]:
        return PARTS  # what it has is seen in its configuration

    def problems(self, setting: Setting) -> Iterator[Problem]:
        if setting.segmentation.type != "checkpoint":
            yield (
                (),
                "a published model knows its own subwords only; set segmentation to "
                "{type: checkpoint, checkpoint: its name}",
            )
