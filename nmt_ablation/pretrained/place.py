"""Place vectors on the rows of a dictionary, at the scale of random rows, and count coverage."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """What came of placing vectors."""

    tokens: list[str]
    """Those that got a row."""
    lengths: dict[str, float]
    """Mean and standard deviation of the rows' lengths."""


def place(
    known: Mapping[str, Vector],
    dictionary: Path,
    out: Path,
    *,
    matched: bool,
    width: int | None,
    pca: bool,
    shuffle: Sequence[int] | None,
    mean: bool,
) -> Placed:
    """Write the rows that a dictionary's tokens get.

    `out` is an .npz file: `indices` (int64, rows) counts from the dictionary's first token, after
    the special symbols; `values` (float32, rows x dimension) are the vectors. A vector of zeros has
    no direction, and counts as missing.

    Args:
        known: vectors of tokens.
        dictionary: in fairseq's format.
        out: the file to write.
        matched: bring each row to length 1. fairseq draws random rows from N(0, 1/dimension), so
            that is their length on average, and rows differ from them in direction alone.
        width: of the table; None if rows of any dimension will do.
        pca: reduce vectors to the width by their principal components.
        shuffle: a seed by which each token gets the vector of another.
        mean: give tokens without a vector the mean of the others' rows, rather than no row.

    Raises:
        UserError: vectors are not of the width of the table, or too few to be reduced to it; or no
            token has one.
    """
    tokens = [line.rsplit(" ", 1)[0] for line in stream_lines(dictionary)]
    covered = [token for token in tokens if token in known and np.any(known[token])]
    if not covered:
        raise UserError(
            "no token of the dictionary has a vector; if the vectors are of words, and the "
            "dictionary's tokens are pieces, set of: words"
        )
    values: Matrix = np.stack([known[token] for token in covered]).astype(np.float32)
    if pca and width is not None:
        values = _principal(values, width)
    elif width is not None and values.shape[1] != width:
        raise UserError(
            f"vectors of dimension {values.shape[1]} for a model of width {width}; set the arm's "
            "dimension to pca or projection, or model.width to theirs"
        )
    if shuffle is not None:
        values = values[np.random.default_rng(shuffle).permutation(len(values))]
    if matched:
        values = values / np.linalg.norm(values, axis=1)[:, None]
    has = set(covered)
    rows = [row for row, token in enumerate(tokens) if token in has]
    if mean:  # not brought to any length: of vectors that are centred it is 0, and has no direction
        missing = [row for row, token in enumerate(tokens) if token not in has]
        rows += missing
        values = np.concatenate([values, np.tile(values.mean(axis=0), (len(missing), 1))])
    np.savez(out, indices=np.array(rows, np.int64), values=values.astype(np.float32))
    lengths = np.linalg.norm(values[: len(covered)], axis=1)
    return Placed(covered, {"mean": float(lengths.mean()), "deviation": float(lengths.std())})


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
