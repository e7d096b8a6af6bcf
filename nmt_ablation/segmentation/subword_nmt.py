"""Byte-pair encoding (Sennrich et al. 2016) by subword-nmt."""

import contextlib
import io
from collections import Counter
from pathlib import Path
from typing import ClassVar, Self

from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from nmt_ablation.segmentation.segmenter import Material, by_frequency
from nmt_ablation.segmentation.words import CONTINUES, Words
from nmt_ablation.values import Side


class SubwordNmt:
    """Byte-pair encoding of the words of `Words`."""

    cites: ClassVar[tuple[str, ...]] = ("sennrich-2016",)

    def __init__(self, codes: Path) -> None:
        self.words = Words()
        with codes.open(encoding="utf-8") as file:
            self.bpe = BPE(file, separator=CONTINUES)

    @classmethod
    def fit(cls, material: Material, folder: Path, side: Side) -> list[str]:
        """Learn `size` merges, and return the subwords that the text is cut into."""
        words = material.count(Words())
        frequencies = [f"{token} {count}" for token, count in by_frequency(words)]
        codes = cls.model_file(folder, side)
        with codes.open("w", encoding="utf-8") as out, contextlib.redirect_stderr(io.StringIO()):
            learn_bpe(frequencies, out, material.size, min_frequency=2, is_dict=True)
        segmenter = cls(codes)
        subwords: Counter[str] = Counter()
        for word, count in words.items():
            for subword in segmenter.bpe.segment_tokens([word]):
                subwords[subword] += count
        return [token for token, _ in by_frequency(subwords)]

    @classmethod
    def load(cls, folder: Path, side: Side) -> Self:
        return cls(cls.model_file(folder, side))

    @staticmethod
    def model_file(folder: Path, side: Side) -> Path:
        return folder / f"codes.{side}"

    def encode(self, line: str) -> list[str]:
        return list(self.bpe.segment_tokens(self.words.encode(line)))

    def decode(self, tokens: list[str]) -> str:
        words = " ".join(tokens).replace(f"{CONTINUES} ", "").removesuffix(CONTINUES)
        return self.words.decode(words.split())
