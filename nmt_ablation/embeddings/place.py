"""Place vectors on the rows of a dictionary, at the scale of random rows, and count coverage."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors
from numpy.typing import NDArray

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """What came of placing vectors."""

    tokens: list[str]
    """Those that got a row."""
    lengths: dict[str, float]
    """Mean and standard deviation of the rows' lengths."""


def place(
    vectors: Path,
    dictionary: Path,
    out: Path,
    *,
    matched: bool,
    width: int | None,
    pca: bool,
    shuffle: int | None,
) -> Placed:
    """Write the rows that a dictionary's tokens get.

    `out` is an .npz file: `indices` (int64, rows) counts from the dictionary's first token, after
    the special symbols; `values` (float32, rows x dimension) are the vectors. A vector of zeros has
    no direction, and counts as missing.

    Args:
        vectors: in word2vec's text format.
        dictionary: in fairseq's format.
        out: the file to write.
        matched: bring each row to length 1. fairseq draws random rows from N(0, 1/dimension), so
            that is their length on average, and rows differ from them in direction alone.
        width: of the table; None if rows of any dimension will do.
        pca: reduce vectors to the width by their principal components.
        shuffle: a seed by which each token gets the vector of another.

    Raises:
        UserError: vectors are not of the width of the table, or too few to be reduced to it.
    """
    known = KeyedVectors.load_word2vec_format(str(vectors))
    tokens = [line.rsplit(" ", 1)[0] for line in stream_lines(dictionary)]
    found = [(row, token) for row, token in enumerate(tokens) if token in known.key_to_index]
    values: Matrix = np.zeros((len(found), known.vector_size), dtype=np.float32)
    for at, (_, token) in enumerate(found):
        values[at] = known[token]
    usable = np.linalg.norm(values, axis=1) > 0
    indices = np.array([row for row, _ in found], dtype=np.int64)[usable]
    values = values[usable]
    if pca and width is not None:
        values = _principal(values, width)
    elif width is not None and values.shape[1] != width:
        raise UserError(
            f"vectors of dimension {values.shape[1]} for a model of width {width}; set the arm's "
            "dimension to pca or projection, or model.width to theirs"
        )
    if shuffle is not None:
        values = values[np.random.default_rng(shuffle).permutation(len(values))]
    lengths = np.linalg.norm(values, axis=1)
    if matched:
        values = values / np.maximum(lengths, 1e-12)[:, None]
        lengths = np.linalg.norm(values, axis=1)
    np.savez(out, indices=indices, values=values)
    return Placed(
        [token for (_, token), use in zip(found, usable, strict=True) if use],
        {"mean": float(lengths.mean()), "deviation": float(lengths.std())} if len(lengths) else {},
    )


def coverage(covered: Iterable[str], segmented: Path) -> dict[str, float]:
    """The share of a segmented text's types and of its tokens that have a vector."""
    counts = Counter(token for line in stream_lines(segmented) for token in line.split())
    has = set(covered)
    types = sum(token in has for token in counts)
    tokens = sum(count for token, count in counts.items() if token in has)
    return {
        "types": types / max(1, len(counts)),
        "tokens": tokens / max(1, counts.total()),
    }


def _principal(values: Matrix, width: int) -> Matrix:
    """Vectors in the space of their first principal components."""
    if min(values.shape) < width:
        raise UserError(
            f"{values.shape[0]} vectors of dimension {values.shape[1]} can't be reduced to {width} "
            "dimensions; lower model.width, or set the arm's dimension to projection"
        )
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ directions[:width].T, np.float32)
