"""Place vectors on the rows of a dictionary, at the scale of random rows, and count coverage."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors
from numpy.typing import NDArray

from nmt_ablation.corpus.text import stream_lines


def place(vectors: Path, dictionary: Path, out: Path) -> list[str]:
    """Write the rows that a dictionary's tokens get, and return the tokens that got one.

    `out` is an .npz file: `indices` (int64, rows) counts from the dictionary's first token, after
    the special symbols; `values` (float32, rows x dimension) are the vectors.

    fairseq draws random rows from N(0, 1/dimension), so their length is 1 on average; each vector
    is brought to length 1, so that an arm's rows differ from random ones in direction alone. A
    vector of zeros has no direction, and counts as missing.
    """
    known = KeyedVectors.load_word2vec_format(str(vectors))
    tokens = [line.rsplit(" ", 1)[0] for line in stream_lines(dictionary)]
    found = [(row, token) for row, token in enumerate(tokens) if token in known.key_to_index]
    values: NDArray[np.float32] = np.zeros((len(found), known.vector_size), dtype=np.float32)
    for at, (_, token) in enumerate(found):
        values[at] = known[token]
    lengths = np.linalg.norm(values, axis=1)
    usable = lengths > 0
    indices = np.array([row for row, _ in found], dtype=np.int64)[usable]
    np.savez(out, indices=indices, values=values[usable] / lengths[usable, None])
    return [token for (_, token), use in zip(found, usable, strict=True) if use]


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
