"""The fairseq plug-in: a translation task that starts and tunes embeddings as an arm says.

The model stays fairseq's own `transformer`, so that stock fairseq programs load the checkpoints;
what an arm changes happens in this task:

- embeddings take the arm's shape (`tables`) after the whole model is drawn at random, so that all
  arms of a seed share every other weight;
- each look at the valid set translates it, and scores text, not pieces;
- a digest of the order of batches travels in the checkpoint, so that the pairing of arms can be
  proved afterwards; so does the state of patience, which fairseq forgets when it resumes.
"""

import argparse
import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

import numpy as np
import torch
from fairseq import utils
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig, TranslationTask
from fairseq_cli import train as fairseq_train
from sacrebleu.metrics.bleu import BLEU
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nmt_ablation.segmentation import Segmenter
from nmt_ablation.training.tables import Tables

# What fairseq's checkpoints hold besides tensors. With these named, torch loads them without the
# unrestricted unpickler, which would run whatever code a checkpoint names.
torch.serialization.add_safe_globals(
    [
        argparse.Namespace,
        np.ndarray,
        np.dtype,
        np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        np._core.multiarray.scalar,  # type: ignore[attr-defined]
        np.dtypes.Int64DType,
        np.dtypes.Float64DType,
    ]
)

RECORD_BATCHES_EVERY = 50


class DivergedError(ArithmeticError):
    """The loss is no number any more."""


@dataclass
class ArmTaskConfig(TranslationConfig):  # type: ignore[misc]
    # fairseq makes options of these annotations, and knows Optional[str] but not str | None.
    arm: Optional[str] = field(
        default=None, metadata={"help": "how the embeddings start and learn: a Tables as JSON"}
    )
    matrix_precision: str = field(
        default="float32", metadata={"help": "of matrix products: float32 or bfloat16"}
    )


@register_task("translation_arm", dataclass=ArmTaskConfig)
class ArmTask(TranslationTask):  # type: ignore[misc]
    """fairseq's translation task, with an arm's embeddings."""

    on_update: ClassVar[Callable[[int], None]] = staticmethod(lambda update: None)
    """Called with the number of updates, before each."""
    segmenter: ClassVar[Segmenter | None] = None
    """Puts the tokens of a hypothesis together when the valid set is scored."""
    bleu_tokenizer: ClassVar[str] = "13a"
    """sacreBLEU's, for the same."""

    def __init__(self, cfg: ArmTaskConfig, src_dict: Any, tgt_dict: Any) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.tables = Tables.from_json(cfg.arm) if cfg.arm else Tables()
        self.still: list[nn.Parameter] = []
        """Weights that stand still until they are thawed."""
        self.batches = hashlib.sha256(b"").hexdigest()
        self.batches_at: dict[int, str] = {}
        self.initial_weights = ""

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> nn.Module:
        model: nn.Module = super().build_model(cfg, from_checkpoint)
        if not from_checkpoint:
            self.initial_weights = digest_of_weights(model.state_dict())
            self.still = self.tables.shape(model)
        return model

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
    ) -> Any:
        ids: bytes = sample["id"].numpy(force=True).tobytes()
        self.batches = hashlib.sha256(self.batches.encode() + ids).hexdigest()
        if update_num == 0 or (update_num + 1) % RECORD_BATCHES_EVERY == 0:
            self.batches_at[update_num + 1] = self.batches
        type(self).on_update(update_num)
        with self._precision(sample):
            step = super().train_step(sample, model, criterion, optimizer, update_num, ignore_grad)
        if not torch.isfinite(step[0]):
            # Said here, as fairseq would look for the layer at fault, and break on it.
            raise DivergedError(f"the loss at update {update_num + 1} is {float(step[0])}")
        if update_num < self.tables.thaw_at:
            # Without a gradient the optimiser leaves a weight alone, and keeps no state for it.
            for weight in self.still:
                weight.grad = None
        return step

    def valid_step(self, sample: dict[str, Any], model: nn.Module, criterion: nn.Module) -> Any:
        with self._precision(sample):
            return super().valid_step(sample, model, criterion)

    def inference_step(
        self, generator: Any, models: list[nn.Module], sample: dict[str, Any], **more: Any
    ) -> list[list[dict[str, Any]]]:
        """Hypotheses of each sentence; the empty one of each if the model is broken."""
        try:
            found: list[list[dict[str, Any]]] = super().inference_step(
                generator, models, sample, **more
            )
        except AssertionError:
            # So fairseq's search ends if probabilities are no numbers: not even the end of the
            # sentence has one.
            empty = torch.tensor([self.target_dictionary.eos()])
            found = [[{"tokens": empty}] for _ in sample["net_input"]["src_tokens"]]
        return found

    def begin_valid_epoch(self, epoch: int, model: nn.Module) -> None:
        super().begin_valid_epoch(epoch, model)
        # Looks that find not a word right don't count for patience: training has hardly begun.
        if getattr(fairseq_train.should_stop_early, "best", None) == 0:
            fairseq_train.should_stop_early.best = None

    def _inference_with_bleu(self, generator: Any, sample: dict[str, Any], model: nn.Module) -> Any:
        """BLEU of a batch by the tokenizer that the test set is scored with; fairseq's own look
        knows one tokenizer only, which finds no words where none are set apart by spaces."""
        dictionary = self.target_dictionary

        def text(tokens: Tensor, unknown: str) -> str:
            line: str = dictionary.string(
                utils.strip_pad(tokens.int().cpu(), dictionary.pad()), unk_string=unknown
            )
            return line if self.segmenter is None else self.segmenter.decode(line.split())

        found = self.inference_step(generator, [model], sample)
        # An unknown token never counts as a match.
        hypotheses = [text(best[0]["tokens"], "UNKNOWN-HYPOTHESIS") for best in found]
        references = [text(tokens, "UNKNOWN-REFERENCE") for tokens in sample["target"]]
        score = BLEU(tokenize=self.bleu_tokenizer).corpus_score(hypotheses, [references])
        # Where a batch's hypotheses are all empty fairseq would log no BLEU at all, and then
        # stop because it finds none; they score 0 like any other text without a match.
        score.totals[0] = max(1, score.totals[0])
        return score

    def get_checkpoint_dict(self) -> dict[str, Any]:
        """fairseq keeps this in the checkpoint, and gives it back when training resumes."""
        stop = fairseq_train.should_stop_early
        state = {
            "best": getattr(stop, "best", None),
            "looks_since_best": getattr(stop, "num_runs", 0),
            "batches": self.batches,
            "batches_at": self.batches_at,
            "initial_weights": self.initial_weights,
        }
        return {type(self).__name__: state}

    def set_checkpoint_dict(self, state: dict[str, Any]) -> None:
        fairseq_train.should_stop_early.best = state["best"]
        fairseq_train.should_stop_early.num_runs = state["looks_since_best"]
        self.batches = state["batches"]
        self.batches_at = state["batches_at"]
        self.initial_weights = state["initial_weights"]

    def _precision(self, sample: dict[str, Any]) -> AbstractContextManager[object]:
        if self.cfg.matrix_precision == "float32":
            return nullcontext()
        device = sample["id"].device.type
        return _Bfloat16(device)


class _Bfloat16(AbstractContextManager[None]):
    """Matrix products in bfloat16. On a CPU, attention as plain matrix products too: for
    sentences (short sequences) they are faster than torch's blocked attention."""

    def __init__(self, device: str) -> None:
        self.autocast = torch.autocast(device, dtype=torch.bfloat16)
        self.attention = sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()

    def __enter__(self) -> None:
        self.autocast.__enter__()  # type: ignore[no-untyped-call]
        self.attention.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self.attention.__exit__(*exception)
        self.autocast.__exit__(*exception)


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of all weights of a model's state, by name."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].numpy(force=True).tobytes())
    return digest.hexdigest()
