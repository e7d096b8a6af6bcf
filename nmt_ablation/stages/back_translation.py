"""Stages that translate target text back, into sentence pairs to train on."""

import time
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.errors import UserError
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.sample import Sample
from nmt_ablation.stages.tokens import Binarise, Segmentation, SyntheticPairs
from nmt_ablation.stages.training import Train
from nmt_ablation.translation.config import Decoding
from nmt_ablation.values import SIDES, Side, UnicodeForm


@dataclass(frozen=True, eq=False)
class Excerpt(Stage[int]):
    """The first lines of a text, as many as a sample asks for. The record is their number."""

    name: ClassVar[str] = "excerpt"

    text: File
    sample: Sample
    ratio: float
    """The number of lines for each pair of the sample."""
    unicode: UnicodeForm
    where: str = field(compare=False)
    """The place in the experiment file, for messages."""

    @property
    def lines(self) -> File:
        return File(self, "lines.txt")

    def build(self, to: Build) -> int:
        number = round(self.ratio * to.record(self.sample).pairs)
        lines = list(islice(text.stream_lines(to.path(self.text)), number))
        if len(lines) < number:
            raise UserError(
                f"{self.where}: {number:,} lines to translate back, and the target text has "
                f"{len(lines):,}; lower the ratio, or name more corpora under corpora.monolingual"
            )
        text.write_lines(to.path(self.lines), (text.tidy(line, self.unicode) for line in lines))
        return number


@dataclass(frozen=True)
class BackTranslated:
    pairs: int
    """The number of synthetic pairs."""
    empty: int
    """The number of lines that were left out, as their translations are empty."""
    seconds: float
    threads: int


@dataclass(frozen=True, eq=False)
class BackTranslate(SyntheticPairs[BackTranslated]):
    """Lines of target text, with their translations by a model of the other direction."""

    name: ClassVar[str] = "back-translation"

    train: Train
    """The model, whose source is our target."""
    binarise: Binarise
    """The pairs that the model learned from."""
    segmentation: Segmentation
    excerpt: Excerpt
    """The target text."""
    decoding: Decoding
    threads: int = field(compare=False)

    def side(self, side: Side) -> File:
        return File(self, f"synthetic.{side}")

    def build(self, to: Build) -> BackTranslated:
        from nmt_ablation.translation.system import System

        lines = list(text.stream_lines(to.path(self.excerpt.lines)))
        began = time.monotonic()
        system = System.load(
            to.path(self.train.checkpoint),
            to.path(self.binarise.data),
            (
                self.segmentation.segmenter("target", to),
                self.segmentation.segmenter("source", to),
            ),
            self.decoding,
            self.threads,
        )
        found = system.translate(lines, to.progress)
        pairs = [(source, line) for source, line in zip(found, lines, strict=True) if source]
        for at, side in enumerate(SIDES):
            text.write_lines(to.path(self.side(side)), (pair[at] for pair in pairs))
        seconds = round(time.monotonic() - began, 1)
        return BackTranslated(len(pairs), len(lines) - len(pairs), seconds, self.threads)
