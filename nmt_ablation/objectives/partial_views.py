from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nmt_ablation.objectives import (
    Batch,
    Example,
    PairObjective,
    Tokens,
    Vocabulary,
    ended,
    shifted,
)
from nmt_ablation.values import PositiveShare

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class PartialViews(PairObjective):
    """Cross-view training (Clark et al. 2018, "CVT"): where the model reads a part of the source
    sentence, it learns to predict what it predicts itself from the whole, without dropout. Its loss
    is the divergence of both predictions of each target token (Kullback and Leibler)."""

    stacks = ("encoder", "decoder")
    teaches_itself: ClassVar[bool] = True

    share: PositiveShare = 0.3
    """The share of source tokens that are masked in the partial view; at least one token is."""

    def pair_examples(
        self, source: Tokens, target: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        hidden = chance.random(len(source)) < self.share
        if len(source) and not hidden.any():
            hidden[chance.integers(len(source))] = True
        views = source, np.where(hidden, vocabulary.mask, source)
        return [
            Example(ended(view, vocabulary), shifted(target, vocabulary), ended(target, vocabulary))
            for view in views
        ]

    def loss(
        self, model: "nn.Module", batches: Sequence[Batch], padding: int, dtype: "torch.dtype"
    ) -> "tuple[Tensor, int]":
        from nmt_ablation.model.transformer import divergence

        whole, part = batches
        assert whole.source is not None and part.source is not None and part.previous is not None
        found = divergence(
            model, (whole.source, part.source), part.previous, part.target, padding, dtype
        )
        return found, int((part.target != padding).sum())

    def cites(self) -> tuple[str, ...]:
        return ("clark-2018",)
