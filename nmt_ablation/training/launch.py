"""Run fairseq's trainer on cells, from the start or from where it was stopped."""

import contextlib
import ctypes
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any

import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager
from fairseq.trainer import Trainer
from fairseq_cli import train as fairseq_train

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Model, Training
from nmt_ablation.files import write_atomically
from nmt_ablation.model import checkpoint
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.stopping import StoppedError, when_asked
from nmt_ablation.training.plugin import (
    BEST,
    ArmPlan,
    ArmsTask,
    ArmState,
    EndedError,
    Plan,
    digest_of_weights,
)
from nmt_ablation.workspace import Json

LOG, RECORD, ARMS = "train.log", "record.json", "arms.txt"
NEVER = "1000000000"


@dataclass(frozen=True)
class Arguments:
    """Everything that the arms of one training share."""

    data: Path
    """A fairseq data-bin."""
    source: str
    target: str
    model: Model
    training: Training
    seed: int
    segmenter: Segmenter
    """Of the target side, to score the valid set's translations as text."""
    bleu_tokenizer: str
    """sacreBLEU's, for the same."""


@dataclass(frozen=True)
class Part:
    """One of the processes that train the same arms."""

    rank: int
    device: int
    """Of those of its machine."""
    meeting: str
    """Where all of them meet, as torch.distributed wants it: tcp://HOST:PORT."""


def train(
    arguments: Arguments,
    arms: Sequence[ArmPlan],
    folder: Path,
    progress: OnProgress,
    part: Part | None = None,
) -> list[Json | UserError]:
    """Train arms side by side, on the same batches, or go on with it; leave the best checkpoint of
    each in its folder, and return what is to be kept on record of it, or what went wrong with it.

    Call it once in a process: fairseq keeps state between trainings.

    Args:
        folder: for what is needed to go on, and the log; may be that of an arm.
        part: of several processes, which one this is. The first keeps the records.

    Raises:
        StoppedError: it got SIGUSR1 or SIGTERM, and has left a checkpoint to go on from.
        UserError: the GPU has not enough memory.
    """
    training = arguments.training
    first = part is None or part.rank == 0
    if not is_recorded(arms):
        if first:
            _start_over_if_others(arms, folder)
        torch.set_num_threads(training.threads)
        _keep_memory()
        PathManager.copy = staticmethod(checkpoint.copy)
        # Else fairseq leaves out what doesn't fit, and this arm would have seen other batches.
        Trainer.train_step = partialmethod(Trainer.train_step, raise_oom=True)
        # Not --log-file: fairseq adds its handler again with each epoch, and so writes each line
        # as often as it has seen epochs.
        if first:
            logging.getLogger().addHandler(logging.FileHandler(folder / LOG))
        configuration = configure(arguments, arms, folder, progress, part)
        ArmsTask.stop = False
        try:
            with when_asked(ArmsTask.ask_to_stop), contextlib.suppress(EndedError):
                distributed.call_main(configuration, fairseq_train.main)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"the GPU has not enough memory ({str(error).splitlines()[0]}); lower "
                "training.batch_tokens, and raise training.accumulate as much"
            ) from error
        task = ArmsTask.current
        for events in task.events:
            events.close()
        if not all(state.ended for state in task.arms):
            raise StoppedError("training stopped with a checkpoint")
        if not first:
            return []
        for arm, state in zip(arms, task.arms, strict=True):
            # Kept before what is needed to go on goes: whoever finds neither would train again.
            write_atomically(arm.folder / RECORD, json.dumps(_record(arm, state, task)))
        for path in folder.glob("*.pt"):
            if path.name != BEST:
                path.unlink()
    # Of several processes the one that has started them hands outcomes over, once.
    return outcomes(arms) if part is None else []


def is_recorded(arms: Sequence[ArmPlan]) -> bool:
    """Whether training is over, and only its outcome is left to be handed over."""
    return all((arm.folder / RECORD).exists() for arm in arms)


def outcomes(arms: Sequence[ArmPlan]) -> list[Json | UserError]:
    """What is to be kept on record of each arm, or what went wrong with it."""
    return [_outcome(arm) for arm in arms]


def _keep_memory() -> None:
    """Have glibc keep what tensors are done with. It would give large pieces back to the kernel at
    once, and have them cleared anew for the next update: a tenth of a small model's time."""
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other libraries have none
    if mallopt is not None:
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def _start_over_if_others(arms: Sequence[ArmPlan], folder: Path) -> None:
    """What other arms have left in a folder is of no use to go on from."""
    names = "\n".join(arm.folder.name for arm in arms)
    if (folder / ARMS).exists() and (folder / ARMS).read_text(encoding="utf-8") != names:
        for path in folder.glob("*.pt"):
            path.unlink()
    write_atomically(folder / ARMS, names)


def _record(arm: ArmPlan, state: ArmState, task: ArmsTask) -> Json:
    if state.best is None:
        return {
            "error": "training diverged before its first look at the valid set: its loss is no "
            "number any more; lower training.learning_rate, or raise training.warmup_updates"
        }
    weights = checkpoint.read(arm.folder / BEST)["model"]
    return {
        "updates": state.ended_at,
        "best_update": state.best_update,
        "valid_bleu": state.best,
        # Gains shrink as training goes on, so a cell that was cut short has to say so.
        "ended_by": state.ended,
        "training_seconds": round(task.seconds(), 1),
        "together": len(task.arms),
        "too_long": task.too_long,
        "parameters": sum(weight.numel() for weight in weights.values()),
        "weights": digest_of_weights(weights),
        "valid": state.looks,
        "pairing": {
            "initial_weights": state.initial_weights,
            "batches": {
                update: digest
                for update, digest in task.batches_at.items()
                if int(update) <= state.ended_at
            },
        },
        "torch": torch.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def _outcome(arm: ArmPlan) -> Json | UserError:
    record = json.loads((arm.folder / RECORD).read_text(encoding="utf-8"))
    if "error" in record:
        (arm.folder / RECORD).unlink()  # it may be tried again
        return UserError(record["error"])
    return record


def configure(
    arguments: Arguments,
    arms: Sequence[ArmPlan],
    folder: Path,
    progress: OnProgress,
    part: Part | None = None,
) -> Any:
    """fairseq's configuration; its task now has its plan."""
    parser = options.get_training_parser(default_task="translation_arms")
    parsed = options.parse_args_and_arch(parser, fairseq_arguments(arguments, folder, part))
    configuration = convert_namespace_to_omegaconf(parsed)
    ArmsTask.plan = Plan(
        arms=arms,
        training=arguments.training,
        seed=arguments.seed,
        configuration=configuration,
        segmenter=arguments.segmenter,
        bleu_tokenizer=arguments.bleu_tokenizer,
        progress=progress,
    )
    return configuration


def fairseq_arguments(arguments: Arguments, folder: Path, part: Part | None = None) -> list[str]:
    """The command line of `fairseq-train` for a cell."""
    model, training = arguments.model, arguments.training
    values: dict[str, Any] = {
        "--task": "translation_arms",
        "--source-lang": arguments.source,
        "--target-lang": arguments.target,
        "--arch": "transformer",
        "--encoder-layers": model.encoder_layers,
        "--decoder-layers": model.decoder_layers,
        "--encoder-embed-dim": model.width,
        "--decoder-embed-dim": model.width,
        "--encoder-ffn-embed-dim": model.feed_forward,
        "--decoder-ffn-embed-dim": model.feed_forward,
        "--encoder-attention-heads": model.heads,
        "--decoder-attention-heads": model.heads,
        "--dropout": model.dropout,
        "--criterion": "label_smoothed_cross_entropy",
        "--label-smoothing": training.label_smoothing,
        "--optimizer": "fused_adam",
        "--adam-betas": "(0.9, 0.98)",
        "--weight-decay": training.weight_decay,
        "--clip-norm": training.clip_norm,
        "--lr-scheduler": "inverse_sqrt" if training.warmup_updates else "fixed",
        "--lr": training.learning_rate,
        "--warmup-updates": training.warmup_updates,
        "--max-tokens": training.batch_tokens,
        "--update-freq": training.accumulate,
        # fairseq's default of 8 silently leaves out up to 7 pairs of every epoch.
        "--required-batch-size-multiple": 1,
        # One more than there are: the task ends when it is asked for it.
        "--max-update": training.max_updates + 1,
        "--seed": arguments.seed,
        "--num-workers": 0,
        # No thread that puts batches together ahead: at the process's end it may be torn apart in
        # the middle of it, and take the process along.
        "--data-buffer-size": 0,
        "--save-dir": folder,
        "--save-interval": NEVER,
        "--save-interval-updates": training.validate_every,
        "--keep-interval-updates": 1,
        "--log-format": "json",
        "--log-interval": 10,
    }
    switches = [
        "--encoder-normalize-before",
        "--decoder-normalize-before",
        "--no-epoch-checkpoints",
        "--disable-validation",
        "--no-progress-bar",
    ]
    if not torch.cuda.is_available():
        switches.append("--cpu")
    if part is not None:
        values |= {
            "--distributed-world-size": training.processes,
            "--distributed-rank": part.rank,
            "--device-id": part.device,
            "--distributed-init-method": part.meeting,
            "--distributed-backend": "nccl" if torch.cuda.is_available() else "gloo",
            # Gradients are added up by the optimiser; all that this asks for is no hooks.
            "--ddp-backend": "legacy_ddp",
        }
        # Else fairseq sends it in a form that torch refuses to unpickle.
        switches += ["--distributed-no-spawn", "--load-checkpoint-on-all-dp-ranks"]
    named = [f"{name}={value}" for name, value in values.items()]
    return [str(arguments.data), *named, *switches]
