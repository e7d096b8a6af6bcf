"""fairseq's translation task, for one arm or several side by side.

The models are fairseq's own `transformer`, so that stock fairseq programs load the checkpoints.
This task does what is particular to arms:

- an arm changes its model (`transfer.start`) after the whole model is drawn at random, so that arms
  of a seed share all other weights;
- all arms see the same batches, and their losses are computed together (`model.transformer`);
- validation scores translations as text, not as subwords. The task validates by itself, because
  fairseq's patience and best checkpoint are for one model only, and are lost on resuming;
- checkpoints hold a digest of the order of batches, which proves afterwards that arms are paired.
"""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from fairseq import utils
from fairseq.models import BaseFairseqModel
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig
from torch import Tensor, nn

from nmt_ablation.model import checkpoint
from nmt_ablation.training.auxiliary import AuxiliaryTask
from nmt_ablation.training.collective import agreed, first_ones, is_first
from nmt_ablation.training.events import Events
from nmt_ablation.training.glue import EndedError
from nmt_ablation.training.plan import ArmPlan, Plan
from nmt_ablation.training.record import BEST, LAST, Validation
from nmt_ablation.training.resumable import ResumableTask
from nmt_ablation.training.state import TrainingState
from nmt_ablation.training.validation import ValidationSet, batch_losses
from nmt_ablation.transfer.features import attach, features_of
from nmt_ablation.transfer.start import fold

LOG_EVERY = 10


class Arms(BaseFairseqModel):  # type: ignore[misc]
    """The models of all arms, each with its own weights."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def max_positions(self) -> Any:
        first: Any = self.models[0]
        return first.max_positions()


@register_task("translation_arms", dataclass=TranslationConfig)
class ArmsTask(ResumableTask):
    """fairseq's translation task, for the arms of a plan."""

    plan: Plan
    training: TrainingState

    def __init__(self, cfg: TranslationConfig, src_dict: Any, tgt_dict: Any) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.events = [Events(arm.events if is_first() else None) for arm in self.plan.arms]
        self.models: list[Any] = []
        self.valid: ValidationSet | None = None

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> nn.Module:
        for number, (arm, state) in enumerate(zip(self.plan.arms, self.training.arms, strict=True)):
            with utils.set_torch_seed(self.plan.seed):
                model = super().build_model(cfg, from_checkpoint)
            state.initial_weights = checkpoint.digest_of_weights(model.state_dict())
            arm.transfer.apply(model, self.plan.training.max_updates)
            self._feed(model, arm, cfg)
            for weight in model.parameters():
                weight.model_number = number
                state.parameters += weight.numel()
                state.learned += weight.numel() if weight.requires_grad else 0
            self.models.append(model)
        return Arms(self.models)

    def _feed(self, model: Any, arm: ArmPlan, cfg: Any) -> None:
        """Add the features of an arm to its model."""
        for fed in arm.transfer.features:
            with utils.set_torch_seed(fed.seed):
                network = super().build_model(fed.settings(cfg))
            attach(model, fed, network)

    def begin_epoch(self, epoch: int, model: nn.Module) -> None:
        super().begin_epoch(epoch, model)
        self._keep_states()

    def _keep_states(self) -> None:
        """Compute the states of the training pairs that features need, once."""
        fed = [(at, it) for at, one in enumerate(self.models) for it in features_of(one)]
        for number, features in fed:
            pairs, side = self.dataset("train"), features.fed.side
            sentences = (pairs[at][side] for at in range(len(pairs)))
            if side == "target":  # as a decoder reads it: the end comes first
                sentences = (it.roll(1) for it in sentences)
            folder = self.plan.arms[number].folder
            features.keep(sentences, getattr(torch, self.plan.training.precision), folder)

    def train_step(
        self,
        sample: dict[str, Any],
        model: nn.Module,
        criterion: nn.Module,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Compute the losses and gradients of all arms that have not ended.

        Raises:
            EndedError: all arms have ended, or training was asked to stop.
        """
        optimizer.on_broken = self._diverged
        new = update_num != self.training.update  # otherwise another batch of the same update
        if new:
            self._begin(update_num)
        active = self.training.active()
        if not active:
            self._leave()
        self.training.see(sample["id"].numpy(force=True).tobytes())
        model.train()
        models = [self.models[number] for number in active]
        smoothed, plain = batch_losses(models, sample, self.target_dictionary, self.plan.training)
        finite = agreed(smoothed.isfinite())
        loss = smoothed[finite].sum()
        for number, good in zip(active, finite.tolist(), strict=True):
            if not good:
                self._diverged(number)
        if update_num % LOG_EVERY == 0:
            for number, nats in zip(active, plain.tolist(), strict=True):
                bits = nats / math.log(2) / sample["ntokens"]
                self.events[number].add(update_num, {"train/loss": bits})
                self.training.arms[number].translation_loss += nats / sample["ntokens"]
        if bool(finite.any()):
            optimizer.backward(loss * 0 if ignore_grad else loss)
        if new:
            self._learn_beside(optimizer, sample["ntokens"], 0.0 if ignore_grad else 1.0)
        for ended in set(range(len(self.models))).difference(self.training.active()):
            for weight in self.models[ended].parameters():
                weight.grad = None
        optimizer.tune(update_num)
        log = {
            "loss": loss.detach() / len(active),
            "nll_loss": plain[finite].sum() / len(active),
            "ntokens": sample["ntokens"],
            "nsentences": sample["nsentences"],
            "sample_size": sample["ntokens"],
        }
        return loss, sample["ntokens"], log

    def _learn_beside(self, optimizer: Any, tokens: int, factor: float) -> None:
        """Compute the losses and gradients of auxiliary objectives.

        They come after translation, and restore the state of chance, so that translation has the
        same dropout in all arms.

        Args:
            tokens: the number of target tokens, by which gradients will be divided.
            factor: a factor of the gradients.
        """
        update, training = self.training.update, self.plan.training
        for number in self.training.active():
            state = self.training.arms[number]
            for place, it in enumerate(self.beside[number]):
                turn, others = divmod(update - place, it.plan.settings.every)
                if others or turn < 0:
                    continue
                with utils.set_torch_seed((self.plan.seed << 32) + update):
                    mean, predicted = it.loss(
                        self.models[number], turn, getattr(torch, training.precision)
                    )
                    weighted = it.plan.settings.weight_at(update) * mean
                    if not bool(weighted.isfinite()):
                        self._diverged(number)
                        break
                    optimizer.backward(weighted * (factor * tokens * training.accumulate))
                state.auxiliary_tokens += predicted
                # Translation's is known in one of so many updates, and turns would miss these.
                state.auxiliary_loss += float(weighted) / LOG_EVERY
                if turn % LOG_EVERY == 0:
                    bits = float(mean) / math.log(2)
                    self.events[number].add(update, {f"train/{it.plan.name}": bits})

    @functools.cached_property
    def beside(self) -> list[list[AuxiliaryTask]]:
        """The auxiliary objectives of each arm."""
        longest = min(self.models[0].max_positions())
        dictionaries = self.source_dictionary, self.target_dictionary
        return [
            [AuxiliaryTask(it, dictionaries, longest, self.plan.seed) for it in arm.auxiliary]
            for arm in self.plan.arms
        ]

    def _begin(self, update: int) -> None:
        """Begin an update, unless training was asked to stop: validate when it is time, and end all
        arms where the budget ends."""
        self._stop_if_asked()
        self.training.update, training = update, self.plan.training
        for features in (it for one in self.models for it in features_of(one)):
            features.update = update
        if update and update % training.validate_every == 0:
            self._validate()
        if update >= training.max_updates:
            for number in self.training.active():
                if training.schedule == "fixed":
                    self._average(number)
                self.training.end(number, "schedule" if training.schedule == "fixed" else "budget")
        if is_first() and self.training.active():
            self.plan.progress(update, training.max_updates)

    def _stop_if_asked(self) -> None:
        """Have fairseq save after this update, and stop before the next."""
        device = next(self.models[0].parameters()).device
        if self.session.has_to_leave(self.plan.configuration, device):
            self._leave()

    def _leave(self) -> NoReturn:
        for events in self.events:
            events.close()
        raise EndedError

    def _diverged(self, number: int) -> None:
        self.training.end(number, "divergence")

    def _validate(self) -> None:
        """Score each arm on the validation set. Keep the model if it is the arm's best yet, and end
        the arm if it is out of patience; by a fixed schedule, keep the last models."""
        plan, update = self.plan, self.training.update
        for number in self.training.active():
            model, arm = self.models[number], self.training.arms[number]
            loss, bleu = first_ones(functools.partial(self._valid_scores, model))
            arm.validations.append(Validation(update, loss, bleu))
            self.events[number].add(update, {"valid/loss": loss, "valid/bleu": bleu})
            if plan.training.schedule == "fixed":
                left = (plan.training.max_updates - update) // plan.training.validate_every
                if left < plan.training.average and is_first():
                    path = plan.arms[number].folder / LAST.replace("*", str(update))
                    self._write(path, number, update)
                continue
            if arm.best is None or bleu > arm.best:
                arm.best, arm.best_update, arm.validations_since_best = bleu, update, 0
                if is_first():
                    path = plan.arms[number].folder / BEST
                    self._write(path, number, update)
            elif arm.best > 0:
                # Validations before the first correct word don't count: training has hardly begun.
                arm.validations_since_best += 1
            if arm.validations_since_best >= plan.training.patience:
                self.training.end(number, "patience")

    def _write(self, path: Path, number: int, update: int) -> None:
        """Write an arm's model."""
        weights, features = fold(self.models[number].state_dict()), self._shapes(number)
        checkpoint.write(path, weights, self.plan.configuration, update, features)

    def _shapes(self, number: int) -> list[dict[str, Any]]:
        """Return the shapes of an arm's features, as plain values."""
        return [it.plain() for it in self.plan.arms[number].transfer.features]

    def _average(self, number: int) -> None:
        """Average an arm's last models into the one that is scored, and score it on the validation
        set."""
        plan, arm = self.plan, self.training.arms[number]
        arm.best_update = self.training.update

        def scores() -> tuple[float | None, float]:
            folder = plan.arms[number].folder
            weights = checkpoint.average(sorted(folder.glob(LAST)))
            shapes = self._shapes(number)
            checkpoint.write(folder / BEST, weights, plan.configuration, arm.best_update, shapes)
            model = super(ArmsTask, self).build_model(plan.configuration.model)
            self._feed(model, plan.arms[number], plan.configuration.model)
            model.load_state_dict(weights)
            return self._valid_scores(model.to(next(self.models[number].parameters()).device))

        _, arm.best = first_ones(scores)

    def _valid_scores(self, model: Any) -> tuple[float | None, float]:
        """Return the loss in bits a token, and BLEU."""
        plan = self.plan
        if self.valid is None:
            longest = min(model.max_positions())
            self.valid = ValidationSet(
                self, longest, plan.training, plan.segmenter, plan.bleu_tokenizer
            )
        model.eval()
        with torch.no_grad():
            return self.valid.loss(model), self.valid.bleu(model)
