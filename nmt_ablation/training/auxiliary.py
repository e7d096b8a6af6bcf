"""The batches of an auxiliary objective, which depend on their number alone, and their loss."""

from typing import Any

import numpy as np
import torch
from fairseq.data import data_utils
from torch import Tensor

from nmt_ablation.errors import UserError
from nmt_ablation.training.plan import AuxiliaryPlan
from nmt_ablation.training.sentences import batches_of, read


class AuxiliaryTask:
    """An auxiliary objective of one arm.

    Args:
        plan: the objective, its text and its weight.
        dictionaries: fairseq's dictionaries of source and target.
        longest: the most tokens of a sentence that the model reads.
        seed: the seed of the order of sentences and of noise.
    """

    def __init__(
        self, plan: AuxiliaryPlan, dictionaries: tuple[Any, Any], longest: int, seed: int
    ) -> None:
        self.plan, self.longest, self.seed = plan, longest, seed
        self.dictionary = dictionaries[0 if "source" in plan.texts else 1]
        self.sentences = read(
            plan.texts, plan.languages, "train", self.dictionary, plan.objective, seed
        )
        self._epoch, self._order = 1, self._batches(1)
        self.batches = len(self._order)
        """The number of batches in an epoch: the same in each, as lengths in order are."""
        if not self.batches:
            raise UserError(
                f"auxiliary {plan.name}: no line of its text fits into a batch of "
                f"{plan.settings.batch_tokens} tokens; raise its batch_tokens"
            )

    def batch(self, turn: int) -> dict[str, Any]:
        """Return the batch of a turn, counted from 0."""
        epoch, at = turn // self.batches + 1, turn % self.batches
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._batches(epoch)
        self.sentences.set_epoch(epoch)
        return self.sentences.collater([self.sentences[int(it)] for it in self._order[at]])

    def _batches(self, epoch: int) -> list[Any]:
        """Return the sentences of an epoch's batches, which are alike in length, in a random
        order."""
        limit = min(self.longest, self.plan.settings.batch_tokens)
        fits = np.flatnonzero(self.sentences.sizes <= limit)
        with data_utils.numpy_seed(self.seed, epoch):
            order = np.random.permutation(fits)
            order = order[np.argsort(self.sentences.sizes[order], kind="mergesort")]
            batches = list(
                self.sentences.batch_by_size(order, max_tokens=self.plan.settings.batch_tokens)
            )
            np.random.shuffle(batches)
        return batches

    def loss(self, model: Any, turn: int, dtype: torch.dtype) -> tuple[Tensor, int]:
        """Return the mean loss of a prediction in a turn's batch, in nats, and the number of
        predictions."""
        batches = batches_of(self.batch(turn), model)
        total, predicted = self.plan.objective.loss(model, batches, self.dictionary.pad(), dtype)
        return total / max(1, predicted), predicted
