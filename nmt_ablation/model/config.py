"""The architecture of the NMT model, which is the same for all arms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from nmt_ablation.values import Block, Positive, Share

Tying = Literal["none", "decoder", "all"]
SPECIAL_SYMBOLS = 4
"""Symbols before a dictionary's first token: <s>, <pad>, </s>, <unk>."""
LEARNED_POSITIONS = 512
"""The number of learned positions, where positions are learned."""
StackName = Literal["encoder", "decoder"]
StyleName = Literal["plain", "bert", "gpt2", "mbart"]
Activation = Literal["relu", "gelu", "gelu_accurate"]


@dataclass(frozen=True)
class Style:
    """The choices of fairseq's Transformer in which published models differ."""

    norm_last: tuple[StackName, ...] = ()
    """The stacks whose layer norms stand behind sublayers, not before them."""
    learned_positions: tuple[StackName, ...] = ()
    """The stacks whose positions are learned, not sinusoids."""
    activation: Activation = "relu"
    embedding_norm: bool = False
    """True for a layer norm of the sum of embeddings and positions."""
    scaled: bool = True
    """True for embeddings times the square root of their dimension."""


STYLES: Mapping[StyleName, Style] = {
    "plain": Style(),
    "bert": Style(
        norm_last=("encoder",),
        learned_positions=("encoder",),
        activation="gelu",
        embedding_norm=True,
        scaled=False,
    ),
    "gpt2": Style(learned_positions=("decoder",), activation="gelu_accurate", scaled=False),
    "mbart": Style(
        learned_positions=("encoder", "decoder"), activation="gelu", embedding_norm=True
    ),
}
"""The styles, by name. NLLB's is the plain one."""


class Model(Block):
    """The Transformer, the same for all arms."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "dimension: 128"}

    encoder_layers: Positive = 3
    """The number of layers of the encoder."""
    decoder_layers: Positive = 3
    """The number of layers of the decoder."""
    dimension: Positive = 128
    """The dimension of embeddings and layers."""
    feed_forward: Positive = 512
    """The dimension inside feed-forward sublayers."""
    heads: Positive = 4
    """The number of heads of each attention."""
    dropout: Share = 0.3
    """The rate of dropout of embeddings and of the output of sublayers."""
    style: StyleName = Field(default="plain", exclude_if=lambda value: value == "plain")
    """The choices in which published models differ: those of BERT and XLM-R (their encoder, beside
    a plain decoder), of GPT-2 (its decoder), of mBART, or of NLLB and of Vaswani et al. (plain). A
    part can start from a published model of the same style, dimensions and heads."""
    tying: Tying = "none"
    """The embeddings that are shared: none, the target side's with the output layer (decoder), or
    the source side's too (all). Only embeddings that learn as usual can be shared."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self
