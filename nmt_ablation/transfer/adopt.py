"""A parent's weights for a model with another dictionary."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from nmt_ablation.errors import UserError
from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.segmentation import read_dictionary
from nmt_ablation.values import SIDES, Side

WITH_ROWS: Mapping[str, Side] = {
    "encoder.embed_tokens.weight": "source",
    "decoder.embed_tokens.weight": "target",
    "decoder.output_projection.weight": "target",
}
"""The weights with a row for each token, by name, and the side whose tokens these are."""


def adopt(
    parent: Path,
    theirs: Mapping[Side, Path],
    ours: Mapping[Side, Path],
    out: Path,
    matching: bool,
    seed: int,
) -> dict[Side, int]:
    """Write a parent's weights with a row for each of our tokens.

    Special symbols keep their rows. Rows that the parent has nothing for are not numbers.

    Args:
        parent: the parent's checkpoint.
        theirs: the parent's dictionary of each side.
        ours: the dictionary of each side that rows are for.
        out: the checkpoint to write.
        matching: give our tokens the rows of the same tokens, or else any rows.
        seed: the seed of the latter.

    Returns:
        the number of tokens of each side that have a row.

    Raises:
        UserError: the dictionaries of a side have no token in common.
    """
    found: dict[Side, list[tuple[int, int]]] = {}
    tokens = {side: read_dictionary(theirs[side]) for side in SIDES}
    wanted = {side: read_dictionary(ours[side]) for side in SIDES}
    alike = tokens["source"] == tokens["target"] and wanted["source"] == wanted["target"]
    for number, side in enumerate(SIDES):
        if matching:
            found[side] = _matching(wanted[side], tokens[side])
        else:  # one order where embeddings may be one matrix
            found[side] = _any(len(wanted[side]), len(tokens[side]), (seed, 0 if alike else number))
        if not found[side]:
            raise UserError(
                f"the {side} dictionaries of the parent and of this experiment have no token in "
                "common, so no row can be matched; set rows: random, or leave embeddings out"
            )
    weights = checkpoint.read(parent)["model"]
    for name, side in WITH_ROWS.items():
        old = weights[name]
        new = torch.full((len(wanted[side]) + SPECIAL_SYMBOLS, old.shape[1]), torch.nan)
        new[:SPECIAL_SYMBOLS] = old[:SPECIAL_SYMBOLS]
        to, of = torch.tensor(found[side]).T + SPECIAL_SYMBOLS
        new[to] = old[of]
        weights[name] = new
    torch.save({"model": weights}, out)
    return {side: len(pairs) for side, pairs in found.items()}


def _matching(wanted: Sequence[str], tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of tokens that both dictionaries have, in both."""
    places = {token: place for place, token in enumerate(tokens)}
    return [(to, places[token]) for to, token in enumerate(wanted) if token in places]


def _any(wanted: int, tokens: int, seed: tuple[int, int]) -> list[tuple[int, int]]:
    """Return places in both dictionaries, matched at random, as far as the smaller one reaches."""
    chance = np.random.default_rng(seed)
    number = min(wanted, tokens)
    to, of = chance.permutation(wanted)[:number], chance.permutation(tokens)[:number]
    return [(int(one), int(other)) for one, other in zip(to, of, strict=True)]
