"""The fairseq plug-in: a translation task that trains one arm, or several side by side.

The models are fairseq's own `transformer`, so that stock fairseq programs load the checkpoints;
what an arm changes happens in this task:

- embeddings take the arm's shape (`tables`) after the whole model is drawn at random, so that all
  arms of a seed share every other weight;
- all arms see the same batches, and their losses are computed together (`transformer`);
- each look at the valid set translates it, and scores text, not pieces. It is made here and not by
  fairseq, whose patience and best checkpoint know one model only, and are forgotten on resuming;
- a digest of the order of batches travels in the checkpoint, so that the pairing of arms can be
  proved afterwards.
"""

import functools
import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from fairseq import utils
from fairseq.models import BaseFairseqModel
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask
from torch import Tensor, nn

from nmt_ablation.experiment import Training
from nmt_ablation.model import checkpoint
from nmt_ablation.model.tables import Tables, fold
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.training.collective import agreed, first_ones, is_first
from nmt_ablation.training.events import Events
from nmt_ablation.training.optimizer import FusedAdam
from nmt_ablation.training.valid import ValidSet, batch_losses

BEST = "checkpoint_best.pt"
RECORD_BATCHES_EVERY = 50
LOG_EVERY = 10


class EndedError(BaseException):
    """There is nothing more to do now; fairseq has no other way to be told.

    No Exception: of those fairseq believes that training has crashed, and saves all of it.
    """


@dataclass(frozen=True)
class ArmPlan:
    """An arm that is to be trained."""

    tables: Tables
    """How its embeddings start and learn."""
    folder: Path
    """Where its best checkpoint goes."""
    events: Path | None = None
    """Where TensorBoard's files go, if they are wanted."""


@dataclass
class ArmState:
    """How far an arm is; travels in the checkpoint."""

    initial_weights: str = ""
    """Digest of the model as it was drawn, before it took the arm's shape."""
    looks: list[dict[str, float | None]] = field(default_factory=list)
    """At the valid set: updates, loss in bits a token, and BLEU."""
    best: float | None = None
    best_update: int = 0
    looks_since_best: int = 0
    ended: str | None = None
    """What has ended it: patience, budget or divergence."""
    ended_at: int = 0


@dataclass(frozen=True)
class Plan:
    """What the task has to know besides fairseq's own options."""

    arms: Sequence[ArmPlan]
    training: Training
    seed: int
    configuration: Any
    """fairseq's, to be written into checkpoints."""
    segmenter: Segmenter
    """Puts the tokens of a hypothesis together when the valid set is scored."""
    bleu_tokenizer: str
    """sacreBLEU's, for the same."""
    progress: OnProgress


class Arms(BaseFairseqModel):  # type: ignore[misc]
    """The models of all arms, each with its own weights."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def max_positions(self) -> Any:
        first: Any = self.models[0]
        return first.max_positions()


@register_task("translation_arms", dataclass=TranslationConfig)
class ArmsTask(TranslationTask):  # type: ignore[misc]
    """fairseq's translation task, for the arms of a plan."""

    plan: ClassVar[Plan]
    """To be set before fairseq makes the task."""
    current: ClassVar["ArmsTask"]
    """The one that fairseq has made."""
    stop: ClassVar[bool] = False
    """Whether to stop with a checkpoint, as soon as may be."""

    def __init__(self, cfg: TranslationConfig, src_dict: Any, tgt_dict: Any) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.arms = [ArmState() for _ in self.plan.arms]
        self.events = [Events(arm.events if is_first() else None) for arm in self.plan.arms]
        self.models: list[Any] = []
        self.still: list[list[nn.Parameter]] = []
        """Of each arm, the weights that stand still until they are thawed."""
        self.too_long = 0
        """Training pairs that no batch takes."""
        self.batches = hashlib.sha256(b"").hexdigest()
        self.batches_at: dict[int, str] = {}
        self.started, self.seconds_before = time.monotonic(), 0.0
        self.valid: ValidSet | None = None
        ArmsTask.current = self
        FusedAdam.on_broken = lambda number: self._end(number, "divergence")
        self.update = -1

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> nn.Module:
        for number, (arm, state) in enumerate(zip(self.plan.arms, self.arms, strict=True)):
            with utils.set_torch_seed(self.plan.seed):
                model = super().build_model(cfg, from_checkpoint)
            state.initial_weights = digest_of_weights(model.state_dict())
            self.still.append(arm.tables.shape(model))
            for weight in model.parameters():
                weight.model_number = number
            self.models.append(model)
        return Arms(self.models)

    def filter_indices_by_size(self, indices: Any, *arguments: Any, **options: Any) -> Any:
        """fairseq leaves out what no batch or model takes, and says so in its log only."""
        kept = super().filter_indices_by_size(indices, *arguments, **options)
        self.too_long = len(indices) - len(kept)
        return kept

    def can_reuse_epoch_itr(self, dataset: Any) -> bool:
        """Make the batches of each epoch anew. fairseq draws them by seed and epoch, but keeps
        those of the first epoch it sees, which after a resumption is another one."""
        return False

    def train_step(
        self,
        sample: dict[str, Any],
        model: nn.Module,
        criterion: nn.Module,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Losses and gradients of all arms that have not ended.

        Raises:
            EndedError: all have, or training was asked to stop.
        """
        training = self.plan.training
        if update_num != self.update:  # or it is another batch of the same update
            self._stop_if_asked()
            self.update = update_num
            if update_num and update_num % training.validate_every == 0:
                self._look()
            if update_num >= training.max_updates:
                for number in self._active():
                    self._end(number, "budget")
            if is_first() and self._active():
                self.plan.progress(update_num, training.max_updates)
        active = self._active()
        if not active:
            raise EndedError
        ids: bytes = sample["id"].numpy(force=True).tobytes()
        self.batches = hashlib.sha256(self.batches.encode() + ids).hexdigest()
        if update_num == 0 or (update_num + 1) % RECORD_BATCHES_EVERY == 0:
            self.batches_at[update_num + 1] = self.batches

        model.train()
        models = [self.models[number] for number in active]
        smoothed, plain = batch_losses(models, sample, self.target_dictionary, training)
        finite = agreed(smoothed.isfinite())
        loss = smoothed[finite].sum()
        for number, good in zip(active, finite.tolist(), strict=True):
            if not good:
                self._end(number, "divergence")
        if update_num % LOG_EVERY == 0:
            for number, nats in zip(active, plain.tolist(), strict=True):
                bits = nats / math.log(2) / sample["ntokens"]
                self.events[number].add(update_num, {"train/loss": bits})
        if bool(finite.any()):
            optimizer.backward(loss * 0 if ignore_grad else loss)
        for number in range(len(self.models)):
            if self.arms[number].ended:
                _forget_gradients(self.models[number].parameters())
            elif update_num < self.plan.arms[number].tables.thaw_at:
                # Without a gradient the optimiser leaves a weight alone, and keeps no state for it.
                _forget_gradients(self.still[number])
        log = {
            "loss": loss.detach() / len(active),
            "nll_loss": plain[finite].sum() / len(active),
            "ntokens": sample["ntokens"],
            "nsentences": sample["nsentences"],
            "sample_size": sample["ntokens"],
        }
        return loss, sample["ntokens"], log

    def get_checkpoint_dict(self) -> dict[str, Any]:
        """fairseq keeps this in the checkpoint, and gives it back when training resumes."""
        state = {
            "arms": [asdict(arm) for arm in self.arms],
            "batches": self.batches,
            "batches_at": self.batches_at,
            "seconds": self.seconds(),
        }
        return {type(self).__name__: state}

    def set_checkpoint_dict(self, state: dict[str, Any]) -> None:
        self.arms = [ArmState(**arm) for arm in state["arms"]]
        self.batches = state["batches"]
        self.batches_at = state["batches_at"]
        self.seconds_before = state["seconds"]

    def seconds(self) -> float:
        """For which this training has run, before and after resumptions."""
        return self.seconds_before + time.monotonic() - self.started

    @classmethod
    def ask_to_stop(cls) -> None:
        cls.stop = True

    def _stop_if_asked(self) -> None:
        """fairseq saves after an update and nowhere else: have it save after this one, and stop
        before the next."""
        checkpoints = self.plan.configuration.checkpoint
        device = next(self.models[0].parameters()).device
        go_on = bool(agreed(torch.tensor([not self.stop], device=device)))
        if not go_on and checkpoints.save_interval_updates == 1:
            raise EndedError
        if not go_on:
            checkpoints.save_interval_updates = 1

    def _active(self) -> list[int]:
        return [number for number, arm in enumerate(self.arms) if not arm.ended]

    def _end(self, number: int, cause: str) -> None:
        self.arms[number].ended, self.arms[number].ended_at = cause, self.update

    def _look(self) -> None:
        """Look at the valid set: score each arm, keep it if it is its best yet, end it if it is out
        of patience."""
        plan = self.plan
        for number in self._active():
            model, arm = self.models[number], self.arms[number]
            loss, bleu = first_ones(functools.partial(self._valid_scores, model))
            arm.looks.append({"update": self.update, "loss": loss, "bleu": bleu})
            self.events[number].add(self.update, {"valid/loss": loss, "valid/bleu": bleu})
            if arm.best is None or bleu > arm.best:
                arm.best, arm.best_update, arm.looks_since_best = bleu, self.update, 0
                if is_first():
                    path = plan.arms[number].folder / BEST
                    weights = fold(model.state_dict())
                    checkpoint.write(path, weights, plan.configuration, self.update)
            elif arm.best > 0:
                # Looks that find not a word right don't count: training has hardly begun.
                arm.looks_since_best += 1
            if arm.looks_since_best >= plan.training.patience:
                self._end(number, "patience")

    def _valid_scores(self, model: Any) -> tuple[float | None, float]:
        """Loss in bits a token, and BLEU."""
        plan = self.plan
        if self.valid is None:
            longest = min(model.max_positions())
            self.valid = ValidSet(self, longest, plan.training, plan.segmenter, plan.bleu_tokenizer)
        model.eval()
        with torch.no_grad():
            return self.valid.loss(model), self.valid.bleu(model)


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of all weights of a model's state, by name."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].numpy(force=True).tobytes())
    return digest.hexdigest()


def _forget_gradients(weights: Iterable[nn.Parameter]) -> None:
    for weight in weights:
        weight.grad = None
