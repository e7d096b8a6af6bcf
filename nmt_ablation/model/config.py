"""The architecture of the NMT model, which is the same for all arms."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import model_validator

from nmt_ablation.values import Block, Positive, Share

Tying = Literal["none", "decoder", "all"]
SPECIAL_SYMBOLS = 4
"""Symbols before a dictionary's first token: <s>, <pad>, </s>, <unk>."""


class Model(Block):
    renamed: ClassVar[Mapping[str, str]] = {"width": "dimension: 128"}

    encoder_layers: Positive = 3
    decoder_layers: Positive = 3
    dimension: Positive = 128
    """The dimension of embeddings and layers."""
    feed_forward: Positive = 512
    heads: Positive = 4
    dropout: Share = 0.3
    tying: Tying = "none"
    """The embeddings that are shared: none, the target side's with the output layer (decoder), or
    the source side's too (all). Only embeddings that learn as usual can be shared."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self
