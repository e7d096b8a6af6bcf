from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.errors import UserError
from nmt_ablation.foreign.family import Family, StackShape
from nmt_ablation.model.config import StackName

if TYPE_CHECKING:
    from torch import Tensor

    from nmt_ablation.foreign.family import Tensors


class Bert(Family):
    """BERT, mBERT, LaBSE, MiniLM and multilingual E5 (Devlin et al. 2019). States differ by 1e-4
    from the original's, whose norms add 1e-12 to the variance where fairseq's add 1e-5."""

    prefixes = ("bert.",)
    embeddings = "embeddings.word_embeddings.weight"
    stacks = ("encoder",)
    layer = "encoder.layer.{1}."
    names: ClassVar[Mapping[str, str]] = {
        "self_attn.q_proj": "attention.self.query",
        "self_attn.k_proj": "attention.self.key",
        "self_attn.v_proj": "attention.self.value",
        "self_attn.out_proj": "attention.output.dense",
        "self_attn_layer_norm": "attention.output.LayerNorm",
        "fc1": "intermediate.dense",
        "fc2": "output.dense",
        "final_layer_norm": "output.LayerNorm",
    }
    norms: ClassVar[Mapping[str, str]] = {"layernorm_embedding": "embeddings.LayerNorm"}
    before_positions: ClassVar[int] = 0
    """Rows of the table of positions before that of the first token."""

    def _shape(self, stack: StackName) -> StackShape:
        kind = self.config.get("position_embedding_type", "absolute")
        if kind != "absolute":
            raise UserError(f"its positions are {kind!r}; fairseq's Transformer has absolute ones")
        if self.config.get("is_decoder"):
            raise UserError("is a decoder; only encoders of this type can be a start")
        return StackShape(
            layers=self._number("num_hidden_layers"),
            dimension=self._number("hidden_size"),
            feed_forward=self._number("intermediate_size"),
            heads=self._number("num_attention_heads"),
            norm_first=False,
            activation=self._activation("hidden_act"),
            positions=self._number("max_position_embeddings") - self.before_positions,
            embedding_norm=True,
            scaled=False,
        )

    def _table(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        # Each token of a single text is of type 0.
        kind = tensors["embeddings.token_type_embeddings.weight"][0]
        return tensors[self.embeddings].float() + kind.float()

    def _positions(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        return tensors["embeddings.position_embeddings.weight"][self.before_positions :]
