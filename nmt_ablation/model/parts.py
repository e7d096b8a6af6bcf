"""Parts of the NMT model, and the place of each weight of fairseq's Transformer in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nmt_ablation.values import Side

Part = Literal["source-embeddings", "target-embeddings", "encoder-layers", "decoder-layers"]
PartName = Literal[Part, "embeddings", "encoder", "decoder", "model"]

PARTS: tuple[Part, ...] = (
    "source-embeddings",
    "target-embeddings",
    "encoder-layers",
    "decoder-layers",
)
SUMS: Mapping[PartName, tuple[Part, ...]] = {
    "embeddings": ("source-embeddings", "target-embeddings"),
    "encoder": ("source-embeddings", "encoder-layers"),
    "decoder": ("target-embeddings", "decoder-layers"),
    "model": PARTS,
    **{part: (part,) for part in PARTS},
}
"""The parts that each name stands for."""
EMBEDDINGS: Mapping[Side, Part] = {"source": "source-embeddings", "target": "target-embeddings"}
"""The part that holds a side's embeddings."""

_WEIGHT = re.compile(r"(encoder|decoder)\.(embed_tokens|layers\.(\d+))?")


@dataclass(frozen=True)
class Place:
    """The place of a weight in the model."""

    part: Part
    depth: int
    """The layer, counted from 1 at the bottom of its stack; 0 for embeddings. The final layer norm
    and the output projection have the depth of the last layer."""
    top: int
    """The depth of the stack's last layer."""


def place_of(name: str, encoder_layers: int, decoder_layers: int) -> Place:
    """Return the place of a weight, by its name in fairseq's Transformer.

    Raises:
        ValueError: the Transformer has no such weight.
    """
    found = _WEIGHT.match(name)
    if found is None:
        raise ValueError(f"{name} is no weight of a Transformer")
    encoder = found[1] == "encoder"
    top = encoder_layers if encoder else decoder_layers
    if found[2] == "embed_tokens":
        return Place("source-embeddings" if encoder else "target-embeddings", 0, top)
    depth = int(found[3]) + 1 if found[3] else top
    return Place("encoder-layers" if encoder else "decoder-layers", depth, top)
