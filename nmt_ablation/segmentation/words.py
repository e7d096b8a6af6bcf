"""Segmentation into words and punctuation marks."""

from pathlib import Path
from typing import ClassVar, Self

import regex

from nmt_ablation.segmentation.segmenter import Material, by_frequency
from nmt_ablation.values import Side

JOINER = "￭"
"""The mark of a token that stood beside its neighbour without a space."""
CONTINUES = "@@"
"""The mark of a subword of subword-nmt that its word goes on after."""
# A word keeps its combining marks: in many scripts they are vowels.
_TOKEN = regex.compile(r"(?P<word>[\w\p{M}]+)|[^\w\p{M}\s]")


class Words:
    """Words and punctuation marks, each a token; a mark carries a joiner where it was glued."""

    cites: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fit(cls, material: Material, folder: Path, side: Side) -> list[str]:
        """Return the `size` most frequent words."""
        counts = material.count(cls())
        return [token for token, _ in by_frequency(counts)][: material.size]

    @classmethod
    def load(cls, folder: Path, side: Side) -> Self:
        return cls()

    @staticmethod
    def model_file(folder: Path, side: Side) -> Path | None:
        return None

    def encode(self, line: str) -> list[str]:
        tokens: list[str] = []
        end = -1
        for match in _TOKEN.finditer(line.replace(JOINER, "■")):
            token = match[0]
            if match.start() == end:  # no space between; one of the two is punctuation
                if match["word"]:
                    tokens[-1] += JOINER
                else:
                    token = JOINER + token
            tokens.append(token)
            end = match.end()
        return tokens

    def decode(self, tokens: list[str]) -> str:
        return " ".join(tokens).replace(f"{JOINER} ", "").replace(f" {JOINER}", "").strip(JOINER)
