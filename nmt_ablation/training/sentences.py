"""Data sets of fairseq's: sentences, or pairs, as an objective presents them, with fresh noise each
epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq.data import FairseqDataset, data_utils
from torch import Tensor

from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.objectives import (
    Batch,
    Example,
    Objective,
    PairObjective,
    Tokens,
    Vocabulary,
)
from nmt_ablation.values import SIDES, Side


class Sentences(FairseqDataset):  # type: ignore[misc]
    """Sentences of one language or two.

    Noise depends on seed, epoch and sentence alone, so that resumed training sees the same.

    Args:
        texts: fairseq's indexed data sets, one after the other; sentences end with their end
            symbol.
    """

    def __init__(
        self, texts: Sequence[Any], objective: Objective, vocabulary: Vocabulary, seed: int
    ) -> None:
        self.texts, self.objective, self.vocabulary = texts, objective, vocabulary
        self.seed, self.epoch = seed, 1
        self.starts = np.cumsum([0, *map(len, texts)])
        self.lengths = np.concatenate([np.asarray(text.sizes) for text in texts])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> tuple[int, Sequence[Example]]:
        text = int(np.searchsorted(self.starts, index, side="right")) - 1
        whole: Tokens = self.texts[text][index - int(self.starts[text])].numpy()
        chance = np.random.default_rng((self.seed, self.epoch, index))
        return index, self.objective.examples(whole[:-1], chance, self.vocabulary)

    @property
    def sizes(self) -> Any:
        """The number of tokens of each sentence."""
        return self.lengths

    def num_tokens(self, index: int) -> int:
        return int(self.lengths[index])

    def num_tokens_vec(self, indices: Any) -> Any:
        return self.lengths[indices]

    def size(self, index: int) -> int:
        return int(self.lengths[index])

    def ordered_indices(self) -> Any:
        """Order sentences by length, at random among equals; fairseq has set numpy's seed."""
        order = np.random.permutation(len(self))
        return order[np.argsort(self.lengths[order], kind="mergesort")]

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def collater(self, samples: Sequence[tuple[int, Sequence[Example]]]) -> dict[str, Any]:
        if not samples:
            return {}
        batches = [
            Batch(
                source=self._padded([it.source for it in examples]),
                previous=self._padded([it.previous for it in examples]),
                target=self._indices([it.target for it in examples]),
                sees=examples[0].sees,
            )
            for examples in zip(*(examples for _, examples in samples), strict=True)
        ]
        return {
            "id": torch.tensor([index for index, _ in samples]),
            "nsentences": len(samples),
            "ntokens": int(self.lengths[[index for index, _ in samples]].sum()),
            "batches": batches,
        }

    def _padded(self, sentences: Sequence[Tokens | None]) -> Tensor | None:
        there = [it for it in sentences if it is not None]
        return self._indices(there) if there else None

    def _indices(self, sentences: Sequence[Tokens]) -> Tensor:
        padded = np.full((len(sentences), max(map(len, sentences))), self.vocabulary.padding)
        for row, sentence in enumerate(sentences):
            padded[row, : len(sentence)] = sentence
        return torch.from_numpy(padded)


class SentencePairs(Sentences):
    """Sentence pairs, whose length is that of both sides.

    Args:
        sides: fairseq's indexed data sets of source and target side.
    """

    def __init__(
        self, sides: tuple[Any, Any], objective: PairObjective, vocabulary: Vocabulary, seed: int
    ) -> None:
        super().__init__(sides, objective, vocabulary, seed)
        self.learned = objective
        source, target = (np.asarray(side.sizes) for side in sides)
        self.partners = np.arange(len(source))
        if objective.shuffled:
            self.partners = _derangement(len(source), seed)
        self.lengths = source + target[self.partners]

    def __getitem__(self, index: int) -> tuple[int, Sequence[Example]]:
        source: Tokens = self.texts[0][index].numpy()
        target: Tokens = self.texts[1][int(self.partners[index])].numpy()
        chance = np.random.default_rng((self.seed, self.epoch, index))
        examples = self.learned.pair_examples(source[:-1], target[:-1], chance, self.vocabulary)
        return index, examples


def _derangement(number: int, seed: int) -> Tokens:
    """Return an order in which nothing stays in its place: one cycle through all."""
    cycle = np.random.default_rng(seed).permutation(number)
    found = np.empty(number, np.int64)
    found[cycle] = np.roll(cycle, 1)
    return found


def read(
    texts: Mapping[Side, Path],
    languages: Mapping[Side, str],
    split: str,
    dictionary: Any,
    objective: Objective,
    seed: int,
) -> Sentences:
    """Read the text of an objective.

    Args:
        texts: a folder with each side's text in fairseq's binary form.
        split: `train` or `valid`.
        dictionary: fairseq's dictionary of all sides.
    """
    stems = {
        side: path / f"{split}.{languages[side]}-None.{languages[side]}"
        for side, path in texts.items()
    }
    vocabulary = Vocabulary(
        size=len(dictionary),
        first=SPECIAL_SYMBOLS,
        padding=dictionary.pad(),
        end=dictionary.eos(),
        mask=dictionary.bos(),
    )
    found = {
        side: data_utils.load_indexed_dataset(str(stem), dictionary) for side, stem in stems.items()
    }
    if isinstance(objective, PairObjective):
        source, target = (found[side] for side in SIDES)
        return SentencePairs((source, target), objective, vocabulary, seed)
    return Sentences(list(found.values()), objective, vocabulary, seed)


def batches_of(sample: dict[str, Any], model: Any) -> list[Batch]:
    """Return a sample's batches, on the device of a model."""
    device = next(model.parameters()).device

    def there(tokens: Tensor | None) -> Tensor | None:
        return None if tokens is None else tokens.to(device)

    return [
        replace(
            it, source=there(it.source), previous=there(it.previous), target=it.target.to(device)
        )
        for it in sample["batches"]
    ]
