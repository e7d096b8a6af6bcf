"""Vectors between two stages: files in word2vec's text format, read and written by gensim."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors
from numpy.typing import NDArray

Values = NDArray[np.float32]


def write(path: Path, tokens: Sequence[str], values: Values) -> None:
    """Write a vector (a row of `values`) for each token."""
    vectors = KeyedVectors(values.shape[1])
    vectors.add_vectors(list(tokens), values)
    vectors.save_word2vec_format(str(path))


def load(path: Path) -> tuple[list[str], Values]:
    """Tokens, and their vectors as rows."""
    vectors = KeyedVectors.load_word2vec_format(str(path))
    return list(vectors.index_to_key), np.asarray(vectors.vectors)
