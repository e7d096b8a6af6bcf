from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nmt_ablation.objectives import Batch, Example, PairObjective, Tokens, Vocabulary, ended
from nmt_ablation.values import Rate, Share

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class TranslationRanking(PairObjective):
    """Translation ranking (Feng et al. 2022, "LaBSE"): the encoder reads both sides of a pair, and
    learns that each sentence's vector is nearer to its translation's than to those of the other
    sentences in the batch. A sentence's vector is the mean of its states. The margin is
    additive (Yang et al. 2019)."""

    stacks = ("encoder",)

    margin: Share = 0.3
    """The cosine by which a translation has to be nearer than the others."""
    scale: Rate = 20.0
    """The factor of cosines before the softmax."""

    def pair_examples(
        self, source: Tokens, target: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        sides = (ended(side, vocabulary) for side in (source, target))
        # No token is predicted.
        return [Example(side, None, np.full(len(side), vocabulary.padding)) for side in sides]

    def loss(
        self, model: "nn.Module", batches: Sequence[Batch], padding: int, dtype: "torch.dtype"
    ) -> "tuple[Tensor, int]":
        import torch
        from torch.nn import functional as F

        sources, targets = (_read(it) for it in batches)
        one, other = (_vectors(model, it, padding, dtype) for it in (sources, targets))
        number = len(one)
        cosines = one @ other.T - self.margin * torch.eye(number, device=one.device)
        right = torch.arange(number, device=one.device)
        # A sentence that stands in the batch twice is no wrong answer.
        twice = [
            _same(it) & ~torch.eye(number, dtype=torch.bool, device=one.device)
            for it in (targets, sources)
        ]
        losses = [
            F.cross_entropy(
                (self.scale * scores).masked_fill(same, -torch.inf), right, reduction="sum"
            )
            for scores, same in zip((cosines, cosines.T), twice, strict=True)
        ]
        return torch.stack(losses).sum(), 2 * number

    def precision(
        self,
        model: "nn.Module",
        held_out: Sequence[Sequence[Batch]],
        padding: int,
        dtype: "torch.dtype",
    ) -> float | None:
        import torch

        sides = []
        for side in range(2):
            vectors = [_vectors(model, _read(it[side]), padding, dtype) for it in held_out]
            sides.append(torch.cat(vectors))
        right = torch.arange(len(sides[0]), device=sides[0].device)
        cosines = sides[0] @ sides[1].T
        found = [scores.argmax(1) == right for scores in (cosines, cosines.T)]
        return float(torch.cat(found).float().mean())

    def cites(self) -> tuple[str, ...]:
        return ("feng-2022", "yang-2019")


def _read(batch: Batch) -> "Tensor":
    assert batch.source is not None
    return batch.source


def _vectors(model: "nn.Module", tokens: "Tensor", padding: int, dtype: "torch.dtype") -> "Tensor":
    from nmt_ablation.model.transformer import sentence_vectors

    return sentence_vectors(model, tokens, padding, dtype)


def _same(tokens: "Tensor") -> "Tensor":
    """Return a flag for each two sentences: they are the same (sentences x sentences)."""
    return (tokens[:, None] == tokens[None]).all(2)
