"""Vectors for a dictionary's tokens, at the scale of random embeddings, and their coverage."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.segmentation import read_dictionary

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """The outcome of placing vectors."""

    tokens: list[str]
    """Tokens with a vector of their own."""
    lengths: dict[str, float]
    """Mean and standard deviation of the lengths of their embeddings."""


def place(
    known: Mapping[str, Vector],
    dictionary: Path,
    out: Path,
    *,
    matched: bool,
    dimension: int | None,
    pca: bool,
    shuffle: Sequence[int] | None,
    mean: bool,
) -> Placed:
    """Write the embeddings that a dictionary's tokens start from.

    The .npz file has `indices` (int64, tokens), counted from the dictionary's first token after the
    special symbols, and `values` (float32, tokens x dimension). A vector of zeros has no direction,
    and counts as missing.

    Args:
        known: vectors of tokens.
        dictionary: a dictionary file in fairseq's format.
        out: the .npz file to write.
        matched: scale each vector to length 1. fairseq draws random embeddings from
            N(0, 1/dimension), so 1 is their length on average, and vectors differ from them in
            direction alone.
        dimension: the embedding dimension; None if any will do.
        pca: reduce vectors to the embedding dimension by their principal components.
        shuffle: a seed by which each token gets the vector of another.
        mean: give tokens without a vector the mean of the others, rather than leave them out.

    Raises:
        UserError: vectors don't have the embedding dimension, or are too few to be reduced to it,
            or no token has one.
    """
    tokens = read_dictionary(dictionary)
    covered = [token for token in tokens if token in known and np.any(known[token])]
    if not covered:
        raise UserError(
            "no token of the dictionary has a vector; if the vectors are of words, and the "
            "dictionary's tokens are subwords, set unit: word"
        )
    values: Matrix = np.stack([known[token] for token in covered]).astype(np.float32)
    if pca and dimension is not None:
        values = _principal(values, dimension)
    elif dimension is not None and values.shape[1] != dimension:
        raise UserError(
            f"the vectors have dimension {values.shape[1]}, and the model has {dimension}; set the "
            "arm's dimension to pca or projection, or model.dimension to that of the vectors"
        )
    if shuffle is not None:
        values = values[np.random.default_rng(shuffle).permutation(len(values))]
    if matched:
        values = values / np.linalg.norm(values, axis=1)[:, None]
    has = set(covered)
    rows = [row for row, token in enumerate(tokens) if token in has]
    if mean:  # never scaled: the mean of centred vectors is 0, and has no direction
        missing = [row for row, token in enumerate(tokens) if token not in has]
        rows += missing
        values = np.concatenate([values, np.tile(values.mean(axis=0), (len(missing), 1))])
    np.savez(out, indices=np.array(rows, np.int64), values=values.astype(np.float32))
    lengths = np.linalg.norm(values[: len(covered)], axis=1)
    return Placed(covered, {"mean": float(lengths.mean()), "deviation": float(lengths.std())})


def coverage(covered: Iterable[str], segmented: Path) -> dict[str, float]:
    """Return the shares of a segmented text's types and tokens that have a vector."""
    counts = Counter(token for line in stream_lines(segmented) for token in line.split())
    has = set(covered)
    types = sum(token in has for token in counts)
    tokens = sum(count for token, count in counts.items() if token in has)
    return {
        "types": types / max(1, len(counts)),
        "tokens": tokens / max(1, counts.total()),
    }


def _principal(values: Matrix, dimension: int) -> Matrix:
    """Project vectors onto their first principal components."""
    if min(values.shape) < dimension:
        raise UserError(
            f"{values.shape[0]} vectors of dimension {values.shape[1]} can't be reduced to "
            f"{dimension} dimensions; lower model.dimension, or set the arm's dimension to "
            "projection"
        )
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ directions[:dimension].T, np.float32)
