"""Parts of the NMT model, and the place of each weight of fairseq's Transformer in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from nmt_ablation.values import Side

Part = Literal[
    "source-embeddings",
    "target-embeddings",
    "encoder-layers",
    "decoder-layers",
    "cross-attention",
    "output-layer",
]
PartName = Literal[Part, "embeddings", "layers", "encoder", "decoder", "model"]

PARTS: tuple[Part, ...] = get_args(Part)
SUMS: Mapping[PartName, tuple[Part, ...]] = {
    "embeddings": ("source-embeddings", "target-embeddings"),
    "layers": ("encoder-layers", "decoder-layers", "cross-attention"),
    "encoder": ("source-embeddings", "encoder-layers"),
    "decoder": ("target-embeddings", "decoder-layers", "output-layer"),
    "model": PARTS,
    **{part: (part,) for part in PARTS},
}
"""The parts that each name stands for. Cross-attention joins encoder and decoder, and belongs to
neither, so that a language model can be a whole decoder."""
WITH_ROWS: frozenset[Part] = frozenset({"source-embeddings", "target-embeddings", "output-layer"})
"""The parts with a row for each token."""
EMBEDDINGS: Mapping[Side, Part] = {"source": "source-embeddings", "target": "target-embeddings"}
"""The part that holds a side's embeddings."""

Sees = Literal["all", "earlier", "later"]
"""The positions that a position of the encoder attends to: all, itself and earlier ones, or itself
and later ones."""

Entry = Literal["beside", "instead", "fused"]
"""The way in which features enter a model: added to embeddings, instead of them, or by attention to
them in each layer."""

_WEIGHT = re.compile(
    r"(?P<stack>encoder|decoder)\."
    r"((?P<embeddings>embed_tokens)|(?P<output>output_projection)|"
    r"(?P<bottom>embed_positions|layernorm_embedding)|"
    r"layers\.(?P<layer>\d+)\.(?P<cross>encoder_attn)?)?"
)


@dataclass(frozen=True)
class Place:
    """The place of a weight in the model."""

    part: Part
    depth: int
    """The layer, counted from 1 at the bottom of its stack; 0 for embeddings, positions and their
    norm. The final layer norm and the output layer have the depth of the last layer."""
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
    encoder = found["stack"] == "encoder"
    top = encoder_layers if encoder else decoder_layers
    if found["embeddings"]:
        return Place("source-embeddings" if encoder else "target-embeddings", 0, top)
    depth = 0 if found["bottom"] else int(found["layer"]) + 1 if found["layer"] else top
    if found["output"]:
        return Place("output-layer", depth, top)
    if found["cross"]:
        return Place("cross-attention", depth, top)
    return Place("encoder-layers" if encoder else "decoder-layers", depth, top)
