"""Families of published models, and the stock fairseq Transformer that computes what each does.

To add one, write a class in a file of its own here, and name it in `FAMILIES` by the `model_type`
of its configuration. Most of a family is a table of names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nmt_ablation.errors import UserError
from nmt_ablation.model.config import Activation, StackName
from nmt_ablation.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]

ACTIVATIONS: Mapping[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_accurate",
    "gelu_pytorch_tanh": "gelu_accurate",
}
"""fairseq's names of activations, by those of transformers. OPUS-MT's, swish, is named by fairseq
too, which fails to compute it."""
BEFORE_POSITIONS = 2
"""Rows of fairseq's table of positions before that of the first token: padding's number, plus 1."""
ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")


@dataclass(frozen=True)
class StackShape:
    """The shape of an encoder or decoder of fairseq's Transformer."""

    layers: int
    dimension: int
    feed_forward: int
    heads: int
    norm_first: bool
    """True for layer norms before the sublayers, False for norms behind them."""
    activation: Activation
    positions: int
    """The number of learned positions; 0 for sinusoids."""
    embedding_norm: bool
    """True for a layer norm of the sum of embeddings and positions."""
    scaled: bool
    """True for embeddings times the square root of their dimension."""


class Family:
    """A family: the names of its tensors, and the shape of its stacks."""

    prefixes: ClassVar[tuple[str, ...]] = ()
    """The prefixes of all names in a model that was saved with a head."""
    embeddings: ClassVar[str]
    """The table of input embeddings."""
    output: ClassVar[str] = "lm_head.weight"
    """The output layer, where it isn't that table."""
    stacks: ClassVar[tuple[StackName, ...]]
    layer: ClassVar[str]
    """The prefix of a layer's names, with the places of the stack and of the layer's number."""
    names: ClassVar[Mapping[str, str]]
    """The names in a layer, by fairseq's, without .weight and .bias."""
    norms: ClassVar[Mapping[str, str]] = {}
    """The names of the norms outside of layers, by fairseq's, with the place of the stack."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config

    def shape(self, stack: StackName, layers: int | None = None) -> StackShape:
        """Return the shape of a stack.

        Args:
            layers: the number of layers, from the bottom; None for all.

        Raises:
            UserError: the model has no such stack or too few layers, or computes what fairseq's
                Transformer can't.
        """
        self._has(stack)
        shape = self._shape(stack)
        if layers is None:
            return shape
        if layers > shape.layers:
            raise UserError(f"has {shape.layers} layers in its {stack}, and {layers} are asked for")
        return StackShape(**{**vars(shape), "layers": layers})

    def _shape(self, stack: StackName) -> StackShape:
        raise NotImplementedError

    def weights(
        self, tensors: "Tensors", stack: StackName, rows: Sequence[int], layers: int | None = None
    ) -> dict[str, "Tensor"]:
        """Return a stack's weights, by their names in fairseq's Transformer.

        Args:
            tensors: the model's tensors.
            rows: the row of the embeddings for each token of fairseq's dictionary.
            layers: the number of layers, from the bottom; None for all.

        Raises:
            UserError: the model has no such stack, or is damaged or computes something else.
        """
        import torch

        shape = self.shape(stack, layers)
        found = {"embed_tokens.weight": self._table(tensors, stack)[list(rows)]}
        if stack == "decoder":
            self._check_output(tensors)
            output = tensors[self.output if self.output in tensors else self.embeddings]
            found["output_projection.weight"] = output[list(rows)]
        if shape.positions:
            positions = self._positions(tensors, stack)[: shape.positions]
            above = torch.zeros(BEFORE_POSITIONS, positions.shape[1])
            found["embed_positions.weight"] = torch.cat([above, positions.float()])
        for name, theirs in self.norms.items():
            for end in ("weight", "bias"):
                found[f"{name}.{end}"] = tensors[f"{theirs.format(stack)}.{end}"]
        for number in range(shape.layers):
            for name, tensor in self._layer(tensors, stack, number):
                found[f"layers.{number}.{name}"] = tensor
        return {f"{stack}.{name}": it.float().contiguous() for name, it in found.items()}

    def _table(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        """Return the embeddings of all tokens, with what is added to each."""
        return tensors[self.embeddings]

    def _positions(self, tensors: "Tensors", stack: StackName) -> "Tensor":
        """Return the embeddings of positions, from the first token's."""
        raise NotImplementedError

    def _check_output(self, tensors: "Tensors") -> None:
        """Refuse an output layer that fairseq's can't compute.

        Raises:
            UserError: it has a bias.
        """
        if "final_logits_bias" in tensors and tensors["final_logits_bias"].any():
            raise UserError(
                "its output layer has a bias, and that of fairseq's Transformer has none; its "
                "encoder alone can be a start"
            )

    def _layer(
        self, tensors: "Tensors", stack: StackName, number: int
    ) -> Iterator[tuple[str, "Tensor"]]:
        """Yield the weights of a layer, by fairseq's names in it."""
        prefix = self.layer.format(stack, number)
        for name, theirs in self.names.items():
            if stack == "decoder" or not name.startswith("encoder_attn"):
                for end in ("weight", "bias"):
                    yield f"{name}.{end}", tensors[f"{prefix}{theirs}.{end}"]

    def _has(self, stack: StackName) -> None:
        if stack not in self.stacks:
            raise UserError(f"is of type {self.config['model_type']}, which has no {stack}")

    def _number(self, *names: str) -> int:
        """Return a number of the configuration, under the first of these names that it has."""
        for name in names:
            value = self.config.get(name)
            if isinstance(value, int) and value > 0:
                return value
        raise UserError(f"its configuration has no {names[0]}")

    def _activation(self, name: str) -> Activation:
        """Return the activation that the configuration names."""
        theirs = self.config.get(name)
        if not isinstance(theirs, str) or theirs not in ACTIVATIONS:
            raise UserError(
                f"its {name} is {theirs!r}, which fairseq's Transformer doesn't know; allowed: "
                f"{', '.join(ACTIVATIONS)}"
            )
        return ACTIVATIONS[theirs]


FAMILIES: Registry[Family] = Registry(
    "type of model",
    "nmt_ablation.families",
    {
        "bert": "nmt_ablation.foreign.bert:Bert",
        "roberta": "nmt_ablation.foreign.roberta:Roberta",
        "xlm-roberta": "nmt_ablation.foreign.roberta:Roberta",
        "distilbert": "nmt_ablation.foreign.distilbert:DistilBert",
        "gpt2": "nmt_ablation.foreign.gpt2:Gpt2",
        "mbart": "nmt_ablation.foreign.mbart:MBart",
        "m2m_100": "nmt_ablation.foreign.m2m:M2M",
    },
)
