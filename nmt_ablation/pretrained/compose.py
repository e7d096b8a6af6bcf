"""Vectors of words on a dictionary of other tokens: pieces of words, marked in some way."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.segmentation import CONTINUES, JOINER, Segmenter, Words

Vector = NDArray[np.float32]
WORD_START = "▁"


def bare(token: str) -> str:
    """A token without the marks of segmentation: `▁Haus`, `Ha@@` and `￭,` are `Haus`, `Ha`, `,`."""
    return token.removeprefix(WORD_START).removesuffix(CONTINUES).strip(JOINER) or token


class BareWords(Words):
    """Words and punctuation marks without the joiners by which they could be put together again."""

    def encode(self, line: str) -> list[str]:
        return [bare(token) for token in super().encode(line)]


def spellings(token: str) -> list[str]:
    """Under which names a file may have a token, the best first. Many files are lower-cased."""
    return list(dict.fromkeys((token, bare(token), bare(token).lower())))


def look_up(tokens: Sequence[str], known: Mapping[str, Vector]) -> dict[str, Vector]:
    """The vectors of tokens out of a file, under whichever of their names it has one."""
    found = {}
    for token in tokens:
        vector = next((known[name] for name in spellings(token) if name in known), None)
        if vector is not None:
            found[token] = vector
    return found


def words(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands in a text."""
    segmenter = BareWords()
    return Counter(token for line in lines for token in segmenter.encode(line))


def compose(
    tokens: Sequence[str],
    counts: Mapping[str, int],
    segmenter: Segmenter,
    known: Mapping[str, Vector],
) -> dict[str, Vector]:
    """Vectors of pieces: the mean of those of all words that a piece stands in, each as often as
    the word stands in a text. A piece that no known word has gets none.

    Args:
        tokens: of the dictionary.
        counts: of words in the text.
        segmenter: cuts words into tokens.
        known: vectors of words.
    """
    wanted = set(tokens)
    sums: dict[str, Vector] = {}
    weights: Counter[str] = Counter()
    for word, count in counts.items():
        if word not in known:
            continue
        for piece in set(segmenter.encode(word)) & wanted:
            sums[piece] = sums.get(piece, np.float32(0)) + count * known[word]
            weights[piece] += count
    return {token: sums[token] / np.float32(weights[token]) for token in tokens if token in sums}
