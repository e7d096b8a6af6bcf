"""The interface of a segmenter, and the text it is fitted to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.registry import Registry
from nmt_ablation.values import Side


class Segmenter(Protocol):
    """Something that cuts a line into tokens and puts tokens together again."""

    def encode(self, line: str) -> list[str]: ...
    def decode(self, tokens: list[str]) -> str: ...


@dataclass(frozen=True)
class Material:
    """Everything that a segmenter is fitted to."""

    size: int
    """`segmentation.size`; each segmenter says what it counts."""
    texts: Sequence[Path]
    encoder: Path | None = None
    """The folder of a fetched encoder, for a segmenter that is its tokenizer."""
    codes: tuple[str, ...] = ()
    """The tokens that sentences begin with, before the dictionary's others."""

    def lines(self) -> Iterator[str]:
        """Yield the lines of all texts."""
        for path in self.texts:
            yield from stream_lines(path)

    def count(self, segmenter: Segmenter) -> Counter[str]:
        """Count the tokens that a segmenter cuts the texts into."""
        return Counter(token for line in self.lines() for token in segmenter.encode(line))


class FittedSegmenter(Segmenter, Protocol):
    """A segmenter that is fitted to text and read from what fitting wrote."""

    cites: ClassVar[tuple[str, ...]]
    """Keys in corpora/references.bib."""

    @classmethod
    def fit(cls, material: Material, folder: Path, side: Side) -> list[str]:
        """Write a side's model, if there is one, and return its dictionary.

        Returns:
            tokens, the most frequent first.

        Raises:
            UserError: the text is too little for the size asked for.
        """
        ...

    @classmethod
    def load(cls, folder: Path, side: Side) -> Self:
        """Read the segmenter that `fit` wrote."""
        ...

    @staticmethod
    def model_file(folder: Path, side: Side) -> Path | None:
        """Return the file that `fit` writes for a side, or None if there is none."""
        ...


@dataclass(frozen=True)
class Coded:
    """A segmenter whose sentences begin with a language's code."""

    segmenter: Segmenter
    code: str

    def encode(self, line: str) -> list[str]:
        return [self.code, *self.segmenter.encode(line)]

    def decode(self, tokens: list[str]) -> str:
        return self.segmenter.decode([token for token in tokens if token != self.code])


def by_frequency(counts: Counter[str]) -> list[tuple[str, int]]:
    """Sort tokens by frequency, the most frequent first, and equals by code points."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


SEGMENTERS: Registry[FittedSegmenter] = Registry(
    "segmenter",
    "nmt_ablation.segmenters",
    {
        "sentencepiece-unigram": "nmt_ablation.segmentation.sentencepiece:Unigram",
        "sentencepiece-bpe": "nmt_ablation.segmentation.sentencepiece:BytePairs",
        "subword-nmt": "nmt_ablation.segmentation.subword_nmt:SubwordNmt",
        "words": "nmt_ablation.segmentation.words:Words",
        "checkpoint": "nmt_ablation.foreign.tokenizer:EncoderTokenizer",
    },
)
