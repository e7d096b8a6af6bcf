from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.foreign.family import ATTENTION, Family, StackShape
from nmt_ablation.model.config import StackName

if TYPE_CHECKING:
    from torch import Tensor

    from nmt_ablation.foreign.family import Tensors

SUBLAYERS = (
    *(f"{attention}.{name}" for attention in ("self_attn", "encoder_attn") for name in ATTENTION),
    *("self_attn_layer_norm", "encoder_attn_layer_norm", "fc1", "fc2", "final_layer_norm"),
)
"""The names in a layer, which translators share with fairseq."""


class Translator(Family):
    """A translator of transformers, which follows fairseq's names."""

    prefixes = ("model.",)
    embeddings = "shared.weight"
    stacks = ("encoder", "decoder")
    layer = "{0}.layers.{1}."
    names: ClassVar[Mapping[str, str]] = {name: name for name in SUBLAYERS}
    norm_first: ClassVar[bool] = True
    embedding_norm: ClassVar[bool] = False
    learned_positions: ClassVar[bool] = False

    def _shape(self, stack: StackName) -> StackShape:
        return StackShape(
            layers=self._number(f"{stack}_layers"),
            dimension=self._number("d_model"),
            feed_forward=self._number(f"{stack}_ffn_dim"),
            heads=self._number(f"{stack}_attention_heads"),
            norm_first=self.norm_first,
            activation=self._activation("activation_function"),
            positions=self._number("max_position_embeddings") if self.learned_positions else 0,
            embedding_norm=self.embedding_norm,
            scaled=bool(self.config.get("scale_embedding", False)),
        )

    def _table(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        own = f"{stack}.embed_tokens.weight"
        return tensors[self.embeddings if self.embeddings in tensors else own]


class MBart(Translator):
    """mBART (Liu et al. 2020)."""

    norms: ClassVar[Mapping[str, str]] = {
        "layernorm_embedding": "{0}.layernorm_embedding",
        "layer_norm": "{0}.layer_norm",
    }
    embedding_norm = True
    learned_positions = True

    def _positions(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        return tensors[f"{stack}.embed_positions.weight"][2:]
