"""Files of vectors that stages pass on, in word2vec's text format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors
from numpy.typing import NDArray

Values = NDArray[np.float32]


def write(path: Path, tokens: Sequence[str], values: Values) -> None:
    """Write the vectors of tokens (tokens x dimension)."""
    vectors = KeyedVectors(values.shape[1])
    vectors.add_vectors(list(tokens), values)
    vectors.save_word2vec_format(str(path))


def load(path: Path) -> tuple[list[str], Values]:
    """Read tokens and their vectors (tokens x dimension)."""
    vectors = KeyedVectors.load_word2vec_format(str(path))
    return list(vectors.index_to_key), np.asarray(vectors.vectors)
