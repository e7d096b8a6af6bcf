from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.foreign.family import Family, StackShape
from nmt_ablation.model.config import StackName

if TYPE_CHECKING:
    from torch import Tensor

    from nmt_ablation.foreign.family import Tensors


class DistilBert(Family):
    """DistilBERT (Sanh et al. 2019): BERT's function, without types of tokens."""

    prefixes = ("distilbert.",)
    embeddings = "embeddings.word_embeddings.weight"
    stacks = ("encoder",)
    layer = "transformer.layer.{1}."
    names: ClassVar[Mapping[str, str]] = {
        "self_attn.q_proj": "attention.q_lin",
        "self_attn.k_proj": "attention.k_lin",
        "self_attn.v_proj": "attention.v_lin",
        "self_attn.out_proj": "attention.out_lin",
        "self_attn_layer_norm": "sa_layer_norm",
        "fc1": "ffn.lin1",
        "fc2": "ffn.lin2",
        "final_layer_norm": "output_layer_norm",
    }
    norms: ClassVar[Mapping[str, str]] = {"layernorm_embedding": "embeddings.LayerNorm"}

    def _shape(self, stack: StackName) -> StackShape:
        return StackShape(
            layers=self._number("n_layers"),
            dimension=self._number("dim"),
            feed_forward=self._number("hidden_dim"),
            heads=self._number("n_heads"),
            norm_first=False,
            activation=self._activation("activation"),
            positions=self._number("max_position_embeddings"),
            embedding_norm=True,
            scaled=False,
        )

    def _positions(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        return tensors["embeddings.position_embeddings.weight"]
