from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.errors import UserError
from nmt_ablation.foreign.family import ATTENTION, Family, StackShape
from nmt_ablation.model.config import StackName

if TYPE_CHECKING:
    from torch import Tensor

    from nmt_ablation.foreign.family import Tensors


class Gpt2(Family):
    """GPT-2 (Radford et al. 2019), as a decoder. Its cross-attention starts silent, so that the
    language model is whole before the first update."""

    prefixes = ("transformer.",)
    embeddings = "wte.weight"
    stacks = ("decoder",)
    layer = "h.{1}."
    names: ClassVar[Mapping[str, str]] = {"fc1": "mlp.c_fc", "fc2": "mlp.c_proj"}
    norms: ClassVar[Mapping[str, str]] = {"layer_norm": "ln_f"}

    def _shape(self, stack: StackName) -> StackShape:
        for name, plain in (
            ("scale_attn_weights", True),
            ("scale_attn_by_inverse_layer_idx", False),
            ("add_cross_attention", False),
        ):
            if self.config.get(name, plain) != plain:
                raise UserError(f"its {name} is {not plain}, which this start can't follow")
        dimension = self._number("n_embd")
        return StackShape(
            layers=self._number("n_layer"),
            dimension=dimension,
            feed_forward=self.config.get("n_inner") or 4 * dimension,
            heads=self._number("n_head"),
            norm_first=True,
            activation=self._activation("activation_function"),
            positions=self._number("n_positions"),
            embedding_norm=False,
            scaled=False,
        )

    def _positions(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        return tensors["wpe.weight"]

    def _layer(
        self, tensors: "Tensors", stack: StackName, number: int
    ) -> Iterator[tuple[str, "Tensor"]]:
        import torch

        prefix = self.layer.format(stack, number)
        # Matrices are stored transposed, and those of query, key and value as one.
        weight = tensors[f"{prefix}attn.c_attn.weight"].T.chunk(3)
        bias = tensors[f"{prefix}attn.c_attn.bias"].chunk(3)
        for name, matrix, shift in zip(ATTENTION, weight, bias, strict=False):
            yield f"self_attn.{name}.weight", matrix
            yield f"self_attn.{name}.bias", shift
        for name, theirs in {"self_attn.out_proj": "attn.c_proj", **self.names}.items():
            yield f"{name}.weight", tensors[f"{prefix}{theirs}.weight"].T
            yield f"{name}.bias", tensors[f"{prefix}{theirs}.bias"]
        for name, theirs in (("self_attn_layer_norm", "ln_1"), ("final_layer_norm", "ln_2")):
            for end in ("weight", "bias"):
                yield f"{name}.{end}", tensors[f"{prefix}{theirs}.{end}"]
        dimension = len(weight[0])
        yield "encoder_attn.out_proj.weight", torch.zeros(dimension, dimension)
        yield "encoder_attn.out_proj.bias", torch.zeros(dimension)
