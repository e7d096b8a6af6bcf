"""fairseq's translation task, which learns to predict text instead.

The model is fairseq's own `transformer`, so that stock fairseq programs load the checkpoints, and
is drawn as the NMT models are. Only the stacks of the objective are computed and learn.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from fairseq import utils
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig
from torch import Tensor, nn

from nmt_ablation.errors import UserError
from nmt_ablation.model import checkpoint
from nmt_ablation.objectives import Batch
from nmt_ablation.pretrained.pretraining.plan import Plan, State
from nmt_ablation.pretrained.records import HeldOutLoss, write_losses
from nmt_ablation.training.glue import EndedError
from nmt_ablation.training.resumable import ResumableTask
from nmt_ablation.training.sentences import Sentences, batches_of, read
from nmt_ablation.transfer.start import tie

MOST_EPOCHS = 1000
"""The most times that a text is read: beyond it a network learns the text by heart, and a number of
updates is likely a mistake."""


@register_task("pretraining", dataclass=TranslationConfig)
class PretrainingTask(ResumableTask):
    """fairseq's translation task, for the objective of a plan."""

    plan: Plan
    training: State

    def __init__(self, cfg: TranslationConfig, src_dict: Any, tgt_dict: Any) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.model: Any = None
        side = next(iter(self.plan.texts))
        self.dictionary = src_dict if side == "source" else tgt_dict
        self.held_out: list[list[Batch]] = []

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> nn.Module:
        with utils.set_torch_seed(self.plan.seed):
            self.model = super().build_model(cfg, from_checkpoint)
        tie(self.model, self.plan.tying)
        return self.model  # type: ignore[no-any-return]

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **_: Any) -> None:
        plan = self.plan
        found = read(plan.texts, plan.languages, split, self.dictionary, plan.objective, plan.seed)
        self.datasets[split] = found
        if split == "train":
            self._check_length(found)
            self.training.lines = len(found)
        else:
            self.training.held_out = len(found)

    def _check_length(self, text: Sentences) -> None:
        """Refuse a text that is far too short.

        Raises:
            UserError: it would be read more than `MOST_EPOCHS` times.
        """
        plan, tokens = self.plan, int(text.sizes.sum())
        times = plan.updates * plan.batch_tokens // tokens
        if times > MOST_EPOCHS:
            most = MOST_EPOCHS * tokens // plan.batch_tokens
            raise UserError(
                f"{plan.where}: its text has {len(text):,} lines, which {plan.updates:,} updates "
                f"would read {times:,} times; name more text, or set updates to {most:,} at most"
            )

    def begin_epoch(self, epoch: int, model: nn.Module) -> None:
        super().begin_epoch(epoch, model)
        self.training.epoch = epoch

    def train_step(
        self,
        sample: dict[str, Any],
        model: nn.Module,
        criterion: nn.Module,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Compute the loss and the gradients.

        Raises:
            EndedError: the budget or a divergence has ended it, or it was asked to stop.
        """
        training = self.training
        optimizer.on_broken = self._diverged
        self._begin(update_num)
        model.train()
        loss, predicted = self._loss(batches_of(sample, self.model))
        if not bool(loss.isfinite()):
            self._diverged(0)
            raise EndedError
        optimizer.backward(loss * 0 if ignore_grad else loss)
        if not training.parameters:
            learning = (weight for weight in self.model.parameters() if weight.grad is not None)
            training.parameters = sum(weight.numel() for weight in learning)
        training.tokens += sample["ntokens"]
        training.predicted += predicted
        log = {
            "loss": loss.detach(),
            "nll_loss": loss.detach(),
            "ntokens": predicted,
            "nsentences": sample["nsentences"],
            "sample_size": predicted,
        }
        return loss, predicted, log

    def _begin(self, update: int) -> None:
        """Begin an update: validate when it is time, and end where the budget does."""
        plan, training = self.plan, self.training
        if training.diverged:
            raise EndedError
        device = next(self.model.parameters()).device
        if self.session.has_to_leave(plan.configuration, device):
            raise EndedError
        training.update, training.ended = update, update >= plan.updates
        if update and (training.ended or update % plan.validate_every == 0):
            training.validations.append(self._validate())
            write_losses(plan.weights.parent, training.validations)
        plan.progress(update, plan.updates)
        if training.ended:
            self._write()
            raise EndedError

    def _write(self) -> None:
        """Write the network, as a checkpoint of a stock translation task."""
        plan, weights = self.plan, self.model.state_dict()
        checkpoint.write(plan.weights, weights, plan.configuration, self.training.update)

    def _diverged(self, number: int) -> None:
        self.training.diverged = True

    def _loss(self, batches: Sequence[Batch]) -> tuple[Tensor, int]:
        return self.plan.objective.loss(self.model, batches, self.dictionary.pad(), self._dtype)

    @property
    def _dtype(self) -> torch.dtype:
        found: torch.dtype = getattr(torch, self.plan.precision)
        return found

    def _validate(self) -> HeldOutLoss:
        """Measure the loss on the held-out lines, whose noise is always the same."""
        if not self.held_out:
            self.held_out = list(self._held_out_batches())
        self.model.eval()
        with torch.no_grad():
            found = [self._loss(batches) for batches in self.held_out]
            precision = self.plan.objective.precision(
                self.model, self.held_out, self.dictionary.pad(), self._dtype
            )
        nats = sum(float(loss) for loss, _ in found)
        bits = nats / math.log(2) / max(1, sum(predicted for _, predicted in found))
        return HeldOutLoss(self.training.update, bits, precision)

    def _held_out_batches(self) -> Iterator[list[Batch]]:
        self.load_dataset("valid")
        dataset = self.dataset("valid")
        limit = min(*self.model.max_positions(), self.plan.batch_tokens)
        indices = [index for index in range(len(dataset)) if dataset.size(index) <= limit]
        ordered = sorted(indices, key=dataset.size)
        for batch in dataset.batch_by_size(ordered, max_tokens=self.plan.batch_tokens):
            sample = dataset.collater([dataset[index] for index in batch])
            yield batches_of(sample, self.model)
