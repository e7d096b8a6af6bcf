"""Stages from text to tokens: a segmentation, and fairseq's binary form of pairs and of text."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.errors import UserError
from nmt_ablation.segmentation import dictionary_file, read_dictionary
from nmt_ablation.segmentation.config import SegmentationConfig
from nmt_ablation.stage import Build, File, Record, Stage
from nmt_ablation.stages.cleaned import Languages
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.stages.held_out import HoldOut
from nmt_ablation.stages.sample import Sample
from nmt_ablation.values import SIDES, Side, UnicodeForm

if TYPE_CHECKING:
    from nmt_ablation.segmentation import Segmenter

SPLITS = ("train", "valid", "test")
TAG = "<s>"
"""The symbol before sources that were translated back (Caswell et al. 2019). Translation never uses
it otherwise, so the dictionary stays as it is."""
HELD_OUT = 1000
"""Lines of a text that are held out of pretraining, at most; never more than a tenth of it."""


@dataclass(frozen=True, eq=False)
class Segmentation(Stage[dict[Side, int]]):
    """A segmentation and its dictionaries. The record is the size of each side's dictionary."""

    name: ClassVar[str] = "segmentation"
    version: ClassVar[int] = 2

    config: SegmentationConfig
    texts: Mapping[Side, File]
    """The text to fit on."""
    checkpoint: FetchPretrained | None
    """The checkpoint whose tokenizer segments, if one does."""
    also: tuple[Mapping[Side, File], ...] = ()
    """Further text to fit on."""

    def dictionary(self, side: Side) -> File:
        return File(self, dictionary_file(Path(), side).name)

    def segmenter(self, side: Side, to: Build) -> "Segmenter":
        """Return the segmenter of a side."""
        from nmt_ablation import segmentation

        return segmentation.load(self.config, to.artifact(self), side)

    def tokens(self, side: Side, to: Build) -> list[str]:
        """Return the tokens of a side's dictionary."""
        return read_dictionary(to.path(self.dictionary(side)))

    def build(self, to: Build) -> dict[Side, int]:
        from nmt_ablation import segmentation

        texts = {
            side: [to.path(of[side]) for of in (self.texts, *self.also)] for side in self.texts
        }
        encoder = to.artifact(self.checkpoint) if self.checkpoint else None
        segmentation.fit(self.config, texts, to.folder, encoder)
        return {side: len(self.tokens(side, to)) for side in SIDES}


class SyntheticPairs(Stage[Record]):
    """A stage whose artifact has sentence pairs to train on beside a sample."""

    def side(self, side: Side) -> File:
        """Return the file of a side's text."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Binarise(Stage[None]):
    """Training, validation and test pairs, segmented and in fairseq's binary form."""

    name: ClassVar[str] = "binarise"
    version: ClassVar[int] = 2

    sample: Sample
    hold_out: HoldOut
    segmentation: Segmentation
    unicode: UnicodeForm
    backwards: bool = False
    """True if the sample's target is the source here."""
    synthetic: SyntheticPairs[Any] | None = None
    """Pairs to train on beside the sample."""
    tagged: bool = False
    """True if the sources of those begin with `TAG`."""

    @property
    def languages(self) -> Languages:
        source, target = self.sample.languages
        return (target, source) if self.backwards else (source, target)

    def from_side(self, side: Side) -> Side:
        """Return the side of the sample that a side here has the text of."""
        return SIDES[1 - SIDES.index(side)] if self.backwards else side

    @property
    def data(self) -> File:
        """The folder that fairseq calls data-bin."""
        return File(self, "data-bin")

    def segmented(self, split: str, side: Side) -> File:
        return File(self, f"segmented/{split}.{self.languages[SIDES.index(side)]}")

    def tokens_per_character(self, to: Build) -> float:
        """Return the tokens that the model predicts for each character of the validation set's
        references."""
        lines = text.stream_lines(to.path(self.hold_out.side("valid", self.from_side("target"))))
        characters = sum(len(text.tidy(line, self.unicode)) for line in lines)
        segmented = text.stream_lines(to.path(self.segmented("valid", "target")))
        tokens = sum(len(line.split()) + 1 for line in segmented)  # the end of a sentence too
        return tokens / characters

    def build(self, to: Build) -> None:
        from nmt_ablation.training.binarise import binarise

        (to.folder / "segmented").mkdir()
        dictionaries = {}
        for side, language in zip(SIDES, self.languages, strict=True):
            own = self.from_side(side)
            dictionaries[language] = to.path(self.segmentation.dictionary(own))
            segmenter = self.segmentation.segmenter(own, to)
            for split in SPLITS:
                train = split == "train"
                file = self.sample.side(own) if train else self.hold_out.side(split, own)
                lines = text.stream_lines(to.path(file))
                segmented = _segmented(lines, segmenter, self.unicode)
                if train and self.synthetic is not None:
                    more = text.stream_lines(to.path(self.synthetic.side(side)))
                    tag = f"{TAG} " if self.tagged and side == "source" else ""
                    added = (tag + it for it in _segmented(more, segmenter, self.unicode))
                    segmented = chain(segmented, added)
                text.write_lines(to.path(self.segmented(split, side)), segmented)
        binarise(to.folder / "segmented", dictionaries, to.path(self.data))


@dataclass(frozen=True, eq=False)
class BinariseText(Stage[None]):
    """One language's text, segmented and in fairseq's binary form, with held-out lines apart."""

    name: ClassVar[str] = "binarise-text"

    text: File
    lines: int | None
    """The number of lines that are used, from the start; all if it is None."""
    language: str
    segmentation: Segmentation
    side: Side
    """The side whose segmentation and dictionary it has."""
    unicode: UnicodeForm
    label: str = field(compare=False)
    """The text, for messages."""

    def build(self, to: Build) -> None:
        from nmt_ablation.training.binarise import binarise_text

        path = to.path(self.text)
        count = sum(1 for _ in self._lines(path))
        number = min(HELD_OUT, count // 10)
        if not number:
            raise UserError(
                f"{self.label}: has {count} lines, too few to pretrain a network and to hold some "
                "out; name more corpora"
            )
        held_out = frozenset(random.Random(1).sample(range(count), number))
        segmenter = self.segmentation.segmenter(self.side, to)
        for split in ("train", "valid"):
            lines = (
                line
                for at, line in enumerate(self._lines(path))
                if (at in held_out) == (split == "valid")
            )
            segmented = _segmented(lines, segmenter, self.unicode)
            text.write_lines(to.folder / f"{split}.{self.language}", segmented)
        dictionary = to.path(self.segmentation.dictionary(self.side))
        binarise_text(to.folder, self.language, dictionary)

    def _lines(self, path: Path) -> Iterator[str]:
        return islice(text.stream_lines(path), self.lines)


def _segmented(lines: Iterable[str], segmenter: "Segmenter", unicode: UnicodeForm) -> Iterator[str]:
    """Yield lines tidied and segmented, with spaces between tokens."""
    for line in lines:
        yield " ".join(segmenter.encode(text.tidy(line, unicode)))
