"""Vectors of words, for a dictionary of subwords or of words with segmentation marks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.segmentation import CONTINUES, JOINER, Segmenter, Words

Vector = NDArray[np.float32]
WORD_START = "▁"


def bare(token: str) -> str:
    """Return a token without segmentation marks: `▁Haus`, `Ha@@`, `￭,` as `Haus`, `Ha`, `,`."""
    return token.removeprefix(WORD_START).removesuffix(CONTINUES).strip(JOINER) or token


class BareWords(Words):
    """Words and punctuation marks without the joiners that allow detokenisation."""

    def encode(self, line: str) -> list[str]:
        return [bare(token) for token in super().encode(line)]


def spellings(token: str) -> list[str]:
    """Return the spellings under which a file may have a token, the best first. Many files are
    lower-cased."""
    return list(dict.fromkeys((token, bare(token), bare(token).lower())))


def look_up(tokens: Sequence[str], known: Mapping[str, Vector]) -> dict[str, Vector]:
    """Return the vectors of those tokens that a file has in some spelling."""
    found = {}
    for token in tokens:
        vector = next((known[name] for name in spellings(token) if name in known), None)
        if vector is not None:
            found[token] = vector
    return found


def words(lines: Iterable[str]) -> Counter[str]:
    """Count the words of a text."""
    segmenter = BareWords()
    return Counter(token for line in lines for token in segmenter.encode(line))


def compose(
    tokens: Sequence[str],
    counts: Mapping[str, int],
    segmenter: Segmenter,
    known: Mapping[str, Vector],
) -> dict[str, Vector]:
    """Return vectors of subwords: the mean vector of the words that contain a subword, weighted by
    the words' counts. Subwords that no known word contains get none.

    Args:
        tokens: the tokens of the dictionary.
        counts: the counts of words in a text.
        segmenter: the segmenter that cuts words into subwords.
        known: the vectors of words.
    """
    wanted = set(tokens)
    sums: dict[str, Vector] = {}
    weights: Counter[str] = Counter()
    for word, count in counts.items():
        if word not in known:
            continue
        for subword in set(segmenter.encode(word)) & wanted:
            sums[subword] = sums.get(subword, np.float32(0)) + count * known[word]
            weights[subword] += count
    return {token: sums[token] / np.float32(weights[token]) for token in tokens if token in sums}
