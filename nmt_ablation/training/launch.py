"""Runs of fairseq's trainer on cells, from the start or resumed."""

import contextlib
import ctypes
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed import utils as distributed
from fairseq_cli import train as fairseq_train
from pydantic import TypeAdapter

from nmt_ablation.errors import UserError
from nmt_ablation.files import write_atomically
from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import Model
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.stopping import StoppedError, when_asked
from nmt_ablation.training import glue
from nmt_ablation.training.config import Training
from nmt_ablation.training.glue import NEVER, EndedError
from nmt_ablation.training.optimizer import FusedAdam
from nmt_ablation.training.plan import ArmPlan, Plan
from nmt_ablation.training.record import BEST, Trained
from nmt_ablation.training.state import ArmState, TrainingState
from nmt_ablation.training.task import ArmsTask, digest_of_weights

REGISTERED = (ArmsTask, FusedAdam)
"""Classes that fairseq finds by name, once they are imported."""
LOG, RECORD, ARMS = "train.log", "record.json", "arms.txt"
_TRAINED = TypeAdapter(Trained)


@dataclass(frozen=True)
class Arguments:
    """The settings that the arms of one training share."""

    data: Path
    """A fairseq data-bin."""
    source: str
    target: str
    model: Model
    training: Training
    seed: int
    segmenter: Segmenter
    """The target side's segmenter, to score translations of the validation set as text."""
    bleu_tokenizer: str
    """sacreBLEU's tokenizer, for these scores."""


@dataclass(frozen=True)
class Worker:
    """One of the processes that train the same arms."""

    rank: int
    device: int
    """The number of its GPU on its machine."""
    meeting: str
    """The address at which all processes meet, for torch.distributed: tcp://HOST:PORT."""


def train(
    arguments: Arguments,
    arms: Sequence[ArmPlan],
    folder: Path,
    progress: OnProgress,
    worker: Worker | None = None,
) -> list[Trained | UserError]:
    """Train arms side by side on the same batches, or resume their training.

    Each arm's folder then has its best checkpoint. Call this once in a process: fairseq keeps state
    between trainings.

    Args:
        folder: a folder for the log and the checkpoints to resume from; may be an arm's.
        worker: this process, if several train together. The first one writes the records.

    Returns:
        each arm's record, or the error that ended it; nothing in one of several processes.

    Raises:
        StoppedError: SIGUSR1 or SIGTERM came, and training left a checkpoint to resume from.
        UserError: the GPU has not enough memory.
    """
    training = arguments.training
    first = worker is None or worker.rank == 0
    if not is_recorded(arms):
        if first:
            _start_over_if_others(arms, folder)
        torch.set_num_threads(training.threads)
        _keep_memory()
        glue.patch()
        # Not by --log-file: fairseq adds its handler again in each epoch, and writes each line once
        # for each handler.
        if first:
            logging.getLogger().addHandler(logging.FileHandler(folder / LOG))
        configuration, session = configure(arguments, arms, folder, progress, worker)
        try:
            with (
                when_asked(session.ask_to_stop),
                contextlib.suppress(EndedError),
                checkpoint.readable(),
            ):
                distributed.call_main(configuration, fairseq_train.main)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"the GPU has not enough memory ({str(error).splitlines()[0]}); lower "
                "training.batch_tokens, and raise training.accumulate as much"
            ) from error
        state = session.state
        if state.active():
            raise StoppedError("training stopped with a checkpoint")
        if not first:
            return []
        for arm, ended in zip(arms, state.arms, strict=True):
            # Records are written before checkpoints are removed: a process that was killed between
            # the two would otherwise leave neither, and the training would be repeated.
            write_atomically(arm.folder / RECORD, json.dumps(_record(arm, ended, state)))
        for path in folder.glob("*.pt"):
            if path.name != BEST:
                path.unlink()
    # With several processes, the one that started them returns the outcomes.
    return outcomes(arms) if worker is None else []


def is_recorded(arms: Sequence[ArmPlan]) -> bool:
    """Return True if training is over and its records are written."""
    return all((arm.folder / RECORD).exists() for arm in arms)


def outcomes(arms: Sequence[ArmPlan]) -> list[Trained | UserError]:
    """Return each arm's record, or the error that ended it."""
    return [_outcome(arm) for arm in arms]


def _keep_memory() -> None:
    """Have glibc keep freed memory. By default glibc returns large blocks to the kernel, which
    clears them for the next update: a tenth of a small model's time."""
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def _start_over_if_others(arms: Sequence[ArmPlan], folder: Path) -> None:
    """Remove the checkpoints in a folder if they are of other arms, which can't be resumed."""
    names = "\n".join(arm.folder.name for arm in arms)
    if (folder / ARMS).exists() and (folder / ARMS).read_text(encoding="utf-8") != names:
        for path in folder.glob("*.pt"):
            path.unlink()
    write_atomically(folder / ARMS, names)


def _record(arm: ArmPlan, ended: ArmState, state: TrainingState) -> dict[str, Any]:
    if ended.best is None:
        return {
            "error": "training diverged before its first validation: its loss is no number any "
            "more; lower training.learning_rate, or raise training.warmup_updates"
        }
    weights = checkpoint.read(arm.folder / BEST)["model"]
    trained = Trained(
        updates=ended.ended_at,
        best_update=ended.best_update,
        valid_bleu=ended.best,
        ended_by=str(ended.ended),
        training_seconds=round(state.seconds(), 1),
        together=len(state.arms),
        too_long=state.too_long,
        parameters=sum(weight.numel() for weight in weights.values()),
        weights=digest_of_weights(weights),
        validations=ended.validations,
        initial_weights=ended.initial_weights,
        batches={
            update: digest
            for update, digest in state.batches_at.items()
            if int(update) <= ended.ended_at
        },
        torch=torch.__version__,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    return {"trained": _TRAINED.dump_python(trained, mode="json")}


def _outcome(arm: ArmPlan) -> Trained | UserError:
    record = json.loads((arm.folder / RECORD).read_text(encoding="utf-8"))
    if "error" in record:
        (arm.folder / RECORD).unlink()  # so that the arm can be trained again
        return UserError(record["error"])
    return _TRAINED.validate_python(record["trained"])


def configure(
    arguments: Arguments,
    arms: Sequence[ArmPlan],
    folder: Path,
    progress: OnProgress,
    worker: Worker | None = None,
) -> tuple[Any, glue.Session]:
    """Return fairseq's configuration, and the session in which the task finds its plan."""
    parser = options.get_training_parser(default_task="translation_arms")
    parsed = options.parse_args_and_arch(parser, fairseq_arguments(arguments, folder, worker))
    configuration = convert_namespace_to_omegaconf(parsed)
    plan = Plan(
        arms=arms,
        training=arguments.training,
        seed=arguments.seed,
        configuration=configuration,
        segmenter=arguments.segmenter,
        bleu_tokenizer=arguments.bleu_tokenizer,
        progress=progress,
    )
    return configuration, glue.start(plan, TrainingState(len(arms)))


def fairseq_arguments(
    arguments: Arguments, folder: Path, worker: Worker | None = None
) -> list[str]:
    """Return the arguments of `fairseq-train` for a cell."""
    model, training = arguments.model, arguments.training
    values: dict[str, Any] = {
        "--task": "translation_arms",
        "--source-lang": arguments.source,
        "--target-lang": arguments.target,
        "--arch": "transformer",
        "--encoder-layers": model.encoder_layers,
        "--decoder-layers": model.decoder_layers,
        "--encoder-embed-dim": model.dimension,
        "--decoder-embed-dim": model.dimension,
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
        # One update more than the budget: asked for that one, the task ends the training.
        "--max-update": training.max_updates + 1,
        "--seed": arguments.seed,
        "--num-workers": 0,
        # No thread that prepares batches ahead: interrupted when the process ends, it may crash the
        # process.
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
    if worker is not None:
        values |= {
            "--distributed-world-size": training.processes,
            "--distributed-rank": worker.rank,
            "--device-id": worker.device,
            "--distributed-init-method": worker.meeting,
            "--distributed-backend": "nccl" if torch.cuda.is_available() else "gloo",
            # The optimiser averages gradients itself; this choice only avoids hooks.
            "--ddp-backend": "legacy_ddp",
        }
        # Otherwise fairseq broadcasts the checkpoint in a form that torch refuses to unpickle.
        switches += ["--distributed-no-spawn", "--load-checkpoint-on-all-dp-ranks"]
    named = [f"{name}={value}" for name, value in values.items()]
    return [str(arguments.data), *named, *switches]
