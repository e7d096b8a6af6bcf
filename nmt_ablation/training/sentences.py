"""A data set of fairseq's: sentences as an objective presents them, with fresh noise each epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq.data import FairseqDataset, data_utils
from torch import Tensor

from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.model.parts import Sees
from nmt_ablation.model.transformer import objective_loss
from nmt_ablation.objectives import Example, Objective, Tokens, Vocabulary
from nmt_ablation.values import Side


@dataclass(frozen=True)
class Batch:
    """Examples that are computed together, padded at the end: sentences x length each."""

    source: Tensor | None
    previous: Tensor | None
    target: Tensor
    sees: Sees


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
        return int(self.starts[-1])

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
    stems = (
        path / f"{split}.{languages[side]}-None.{languages[side]}" for side, path in texts.items()
    )
    vocabulary = Vocabulary(
        size=len(dictionary),
        first=SPECIAL_SYMBOLS,
        padding=dictionary.pad(),
        end=dictionary.eos(),
        mask=dictionary.bos(),
    )
    found = [data_utils.load_indexed_dataset(str(stem), dictionary) for stem in stems]
    return Sentences(found, objective, vocabulary, seed)


def loss_of(
    model: Any, sample: dict[str, Any], padding: int, dtype: torch.dtype
) -> tuple[Tensor, int]:
    """Return the loss of a batch in nats, and the number of tokens that it predicts."""
    device = next(model.parameters()).device
    losses, predicted = [], 0
    for batch in sample["batches"]:
        source, previous = (
            None if it is None else it.to(device) for it in (batch.source, batch.previous)
        )
        target = batch.target.to(device)
        predicted += int((target != padding).sum())
        losses.append(objective_loss(model, source, previous, target, padding, dtype, batch.sees))
    return torch.stack(losses).sum(), predicted
