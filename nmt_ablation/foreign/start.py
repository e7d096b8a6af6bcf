"""The weights of a published model for parts of an NMT model of its shape."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_ablation.errors import UserError
from nmt_ablation.foreign.family import BEFORE_POSITIONS, Family, StackShape
from nmt_ablation.foreign.tokenizer import EncoderTokenizer
from nmt_ablation.foreign.weights import Weights, family
from nmt_ablation.model.config import (
    LEARNED_POSITIONS,
    SPECIAL_SYMBOLS,
    STYLES,
    Model,
    StackName,
    Style,
    StyleName,
)
from nmt_ablation.model.parts import Part
from nmt_ablation.segmentation import read_dictionary
from nmt_ablation.values import Side

if TYPE_CHECKING:
    from torch import Tensor

OF_STACK: Mapping[StackName, frozenset[Part]] = {
    "encoder": frozenset({"source-embeddings", "encoder-layers"}),
    "decoder": frozenset(
        {"target-embeddings", "decoder-layers", "cross-attention", "output-layer"}
    ),
}
"""The parts that each stack has."""
ROWS: frozenset[Part] = frozenset({"target-embeddings", "output-layer"})
"""The parts of a decoder that may start from an encoder's embeddings, which are of all languages
that it knows."""
SIDE: Mapping[StackName, Side] = {"encoder": "source", "decoder": "target"}
SYMBOLS = (
    ("<s>", "[CLS]", "<|endoftext|>"),
    ("<pad>", "[PAD]"),
    ("</s>", "[SEP]", "<|endoftext|>"),
    ("<unk>", "[UNK]"),
)
"""The names of fairseq's special symbols in published dictionaries, in fairseq's order."""


def check(folder: Path, model: Model, parts: Collection[Part]) -> dict[StackName, StackShape]:
    """Return the shapes of the stacks that parts of a model start from.

    Raises:
        UserError: the published model lacks a part, or is of another shape or style.
    """
    return _shapes(family(folder), model, parts)


def encoder_of(folder: Path) -> Model:
    """Return the architecture of a published encoder, beside the smallest decoder.

    Raises:
        UserError: the published model has no encoder, or one of no style that we have.
    """
    shape = family(folder).shape("encoder")
    return Model(
        encoder_layers=shape.layers,
        decoder_layers=1,
        dimension=shape.dimension,
        feed_forward=shape.feed_forward,
        heads=shape.heads,
        dropout=0.0,
        style=_style(shape, "encoder"),
    )


def _shapes(
    published: Family, model: Model, parts: Collection[Part]
) -> dict[StackName, StackShape]:
    layers: dict[StackName, int] = {
        "encoder": model.encoder_layers,
        "decoder": model.decoder_layers,
    }
    found = {}
    for stack, own in OF_STACK.items():
        wanted = own.intersection(parts)
        if wanted and stack not in published.stacks and wanted <= ROWS:
            stack = "encoder"
            wanted = wanted | {"source-embeddings"}
        if wanted:
            shape = found[stack] = published.shape(stack, layers[stack])
            if other := list(_other(shape, stack, model)):
                raise UserError(f"its {stack} is of another shape: set {', '.join(other)}")
    return found


def _other(shape: StackShape, stack: StackName, model: Model) -> Iterator[str]:
    """Yield the keys of a model that are another than a published one's, with its values."""
    for name in ("dimension", "feed_forward", "heads"):
        if getattr(model, name) != getattr(shape, name):
            yield f"model.{name}: {getattr(shape, name)}"
    if not _is_of(shape, stack, STYLES[model.style]):
        yield f"model.style: {_style(shape, stack)}"


def _style(shape: StackShape, stack: StackName) -> StyleName:
    """Return the style of a stack."""
    for name, style in STYLES.items():
        if _is_of(shape, stack, style):
            return name
    raise UserError(
        f"its {stack} fits no model.style: no style has its combination of layer norms, positions "
        "and activation; choose another model"
    )


def _is_of(shape: StackShape, stack: StackName, style: Style) -> bool:
    ours = (
        stack not in style.norm_last,
        stack in style.learned_positions,
        style.activation,
        style.embedding_norm,
        style.scaled,
    )
    theirs = (
        shape.norm_first,
        shape.positions > 0,
        shape.activation,
        shape.embedding_norm,
        shape.scaled,
    )
    return ours == theirs


def write(
    folder: Path,
    model: Model,
    parts: Collection[Part],
    dictionaries: Mapping[Side, Path],
    out: Path,
) -> dict[Side, int]:
    """Write the weights for parts of a model, as a checkpoint under the key `model`.

    Embeddings of tokens that the published model doesn't have, and of positions beyond its own, are
    not numbers.

    Args:
        folder: the files of the published model.
        dictionaries: the dictionary file of each side.

    Returns:
        the number of tokens of each side that have embeddings.

    Raises:
        UserError: the published model lacks a part, is of another shape, or is damaged.
    """
    import torch

    weights, tokenizer = Weights(folder), EncoderTokenizer(folder)
    shapes = _shapes(weights.family, model, parts)
    found: dict[str, Tensor] = {}
    counts: dict[Side, int] = {}
    for stack, own in OF_STACK.items():
        if not own.intersection(parts):
            continue
        side = SIDE[stack]
        rows = [tokenizer.row(names) for names in SYMBOLS]
        tokens = read_dictionary(dictionaries[side])
        # Language codes are no tokens of text.
        rows += [tokenizer.rows.get(token, tokenizer.special.get(token)) for token in tokens]
        of = stack if stack in shapes else "encoder"
        made = weights.family.weights(weights, of, [row or 0 for row in rows], shapes[of].layers)
        missing = torch.tensor([row is None for row in rows])
        for name in (f"{of}.embed_tokens.weight", f"{of}.output_projection.weight"):
            if name in made:
                made[name][missing] = torch.nan
        if of != stack:
            table = made["encoder.embed_tokens.weight"]
            made = {
                f"decoder.{name}.weight": table for name in ("embed_tokens", "output_projection")
            }
        _as_many_positions(made)
        found |= made
        counts[side] = sum(row is not None for row in rows[SPECIAL_SYMBOLS:])
        if not counts[side]:
            raise UserError(f"its dictionary has no token of the {side} dictionary")
    torch.save({"model": found}, out)
    return counts


def _as_many_positions(weights: dict[str, "Tensor"]) -> None:
    """Cut the positions of a stack to as many as our models have, or fill them up."""
    import torch

    for name in [it for it in weights if it.endswith("embed_positions.weight")]:
        table = weights[name][: LEARNED_POSITIONS + BEFORE_POSITIONS]
        more = LEARNED_POSITIONS + BEFORE_POSITIONS - len(table)
        empty = torch.full((more, table.shape[1]), torch.nan)
        weights[name] = torch.cat([table, empty])
