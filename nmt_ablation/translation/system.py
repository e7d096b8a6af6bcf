"""A cell's model with all that turns plain text into plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.translation.config import Decoding
from nmt_ablation.translation.engine import engine_of, load
from nmt_ablation.translation.translator import Translator


@dataclass(frozen=True)
class System:
    """A model, ready to translate plain text."""

    translator: Translator
    segmenters: tuple[Segmenter, Segmenter]
    """The segmenters of source and target."""
    decoding: Decoding

    @classmethod
    def load(
        cls,
        checkpoint: Path,
        data: Path,
        segmenters: tuple[Segmenter, Segmenter],
        decoding: Decoding,
        threads: int,
    ) -> Self:
        """Read a model.

        Args:
            checkpoint: a cell's checkpoint.
            data: the data-bin that the cell was trained on, for its dictionaries.
            segmenters: the segmenters of source and target.
            decoding: beam, length penalty and precision.
            threads: batches at once.
        """
        model, task = load(checkpoint, data)
        dictionaries = task.source_dictionary, task.target_dictionary
        translator = engine_of(model, *dictionaries, threads, decoding.precision)
        return cls(translator, segmenters, decoding)

    def translate(self, sentences: Sequence[str], progress: OnProgress) -> list[str]:
        """Return the best translation of each sentence.

        Args:
            progress: a callback, called with sentences.
        """
        return [it[0] for it in self.ranked(sentences, 1, progress)]

    def ranked(
        self, sentences: Sequence[str], number: int, progress: OnProgress
    ) -> list[list[str]]:
        """Return the best translations of each sentence, the best first.

        Args:
            number: translations of each sentence; no more than the beam.
            progress: a callback, called with sentences.
        """
        source, target = self.segmenters
        tokens = [source.encode(sentence) for sentence in sentences]
        asked = self.decoding.beam, self.decoding.length_penalty
        found = self.translator.ranked(tokens, *asked, number, progress)
        return [[target.decode(hypothesis) for hypothesis in ranked] for ranked in found]
