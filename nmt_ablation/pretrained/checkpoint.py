from collections.abc import Iterator
from typing import ClassVar, Literal

from nmt_ablation.pretrained.hosted import WHERE, Hosted
from nmt_ablation.pretrained.kind import Built, Given, PretrainedVectors, Problem, Setting
from nmt_ablation.values import SIDES, Side


class Checkpoint(Hosted, PretrainedVectors):
    """A published multilingual encoder (mBERT, XLM-R, LaBSE), for the input embeddings of its own
    subwords."""

    version = 3
    unsigned: ClassVar[frozenset[str]] = PretrainedVectors.unsigned | WHERE

    kind: Literal["checkpoint"]
    unit: Literal["token"] = "token"
    """The unit that has a vector: a subword of the encoder's."""
    align: None = None
    """No map: both languages are in one space."""

    def problems(self, setting: Setting) -> Iterator[Problem]:
        if setting.segmentation.type != "checkpoint":
            yield (
                (),
                "a checkpoint's embeddings are of its own subwords; set segmentation to "
                "{type: checkpoint, checkpoint: its name}",
            )

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
