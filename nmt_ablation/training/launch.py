"""Runs of fairseq's trainer on cells, from the start or resumed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from nmt_ablation.errors import UserError
from nmt_ablation.files import write_atomically
from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import Model
from nmt_ablation.model.settings import settings_of
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.stopping import StoppedError
from nmt_ablation.training import earlier, glue
from nmt_ablation.training.config import Training
from nmt_ablation.training.glue import NEVER
from nmt_ablation.training.optimizer import FusedAdam
from nmt_ablation.training.plan import ArmPlan, Plan
from nmt_ablation.training.record import BEST, Trained
from nmt_ablation.training.state import ArmState, TrainingState
from nmt_ablation.training.task import ArmsTask

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
            if not (folder / earlier.STATE).exists():
                earlier.take(arms, folder, training.max_updates)
        configuration, session = configure(arguments, arms, folder, progress, worker)
        log = folder / LOG if first else None
        less = "lower training.batch_tokens, and raise training.accumulate as much"
        glue.train(configuration, session, training.threads, log, less)
        state = session.state
        if state.active():
            raise StoppedError("training stopped with a checkpoint")
        if not first:
            return []
        for arm, ended in zip(arms, state.arms, strict=True):
            # Records are written before checkpoints are removed: a process that was killed between
            # the two would otherwise leave neither, and the training would be repeated.
            write_atomically(arm.folder / RECORD, json.dumps(_record(arm, ended, state)))
        kept = {BEST}
        if any(it.ended == "budget" for it in state.arms) and all(arm.lineage for arm in arms):
            earlier.leave(arms, folder, training.max_updates)
            kept.add(earlier.STATE)
        for path in (
            path for it in {folder, *(arm.folder for arm in arms)} for path in it.glob("*.pt")
        ):
            if path.name not in kept:
                path.unlink()
    # With several processes, the one that started them returns the outcomes.
    return outcomes(arms) if worker is None else []


def is_recorded(arms: Sequence[ArmPlan]) -> bool:
    """Return True if training is over and its records are written."""
    return all((arm.folder / RECORD).exists() for arm in arms)


def outcomes(arms: Sequence[ArmPlan]) -> list[Trained | UserError]:
    """Return each arm's record, or the error that ended it."""
    return [_outcome(arm) for arm in arms]


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
            "error": "training diverged before there was a model to score: its loss is no number "
            "any more; lower training.learning_rate, or raise training.warmup_updates"
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
        parameters=ended.parameters,
        learned=ended.learned,
        weights=checkpoint.digest_of_weights(weights),
        validations=ended.validations,
        initial_weights=ended.initial_weights,
        batches={
            update: digest
            for update, digest in state.batches_at.items()
            if int(update) <= ended.ended_at
        },
        torch=torch.__version__,
        device="cuda" if torch.cuda.is_available() else "cpu",
        auxiliary_tokens=ended.auxiliary_tokens,
        auxiliary_share=ended.auxiliary_share if arm.auxiliary else None,
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
    parameters = fairseq_arguments(arguments, folder, worker)
    configuration = glue.configuration_of(parameters, task="translation_arms")
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
    training = arguments.training
    values: dict[str, Any] = {
        "--task": "translation_arms",
        "--source-lang": arguments.source,
        "--target-lang": arguments.target,
        **architecture(arguments.model),
        "--criterion": "label_smoothed_cross_entropy",
        "--label-smoothing": training.label_smoothing,
        **optimisation(training.weight_decay, training.clip_norm),
        **_schedule(training),
        "--max-tokens": training.batch_tokens,
        "--update-freq": training.accumulate,
        "--seed": arguments.seed,
        **until(training.max_updates, training.validate_every, folder),
    }
    switches = []
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
    return as_arguments(arguments.data, values, switches)


def _schedule(training: Training) -> dict[str, Any]:
    """Return fairseq's options for the learning rate."""
    found = {"--lr": training.learning_rate, "--warmup-updates": training.warmup_updates}
    if training.schedule == "fixed":
        to_nothing = {"--total-num-update": training.max_updates}
        return {"--lr-scheduler": "polynomial_decay", **found, **to_nothing}
    return {"--lr-scheduler": "inverse_sqrt" if training.warmup_updates else "fixed", **found}


def architecture(model: Model) -> dict[str, Any]:
    """Return fairseq's options for a model's architecture; None for an option without a value."""
    values: dict[str, Any] = {"--arch": "transformer"}
    for name, value in settings_of(model).items():
        if value is not False:
            values[f"--{name.replace('_', '-')}"] = None if value is True else value
    return values


def optimisation(weight_decay: float, clip_norm: float) -> dict[str, Any]:
    """Return fairseq's options for our optimiser."""
    return {
        "--optimizer": "fused_adam",
        "--adam-betas": "(0.9, 0.98)",
        "--weight-decay": weight_decay,
        "--clip-norm": clip_norm,
    }


def until(updates: int, save_every: int, folder: Path) -> dict[str, Any]:
    """Return fairseq's options for the end of a training and for its checkpoints."""
    return {
        # One update more than the budget: asked for that one, the task ends the training.
        "--max-update": updates + 1,
        "--save-dir": folder,
        "--save-interval": NEVER,
        "--save-interval-updates": save_every,
        "--keep-interval-updates": 1,
    }


def as_arguments(data: Path, values: Mapping[str, Any], switches: Sequence[str]) -> list[str]:
    """Return the arguments of `fairseq-train`, with those that every training has.

    Args:
        values: options with their values; None for an option without one.
    """
    always = {
        # fairseq's default of 8 silently leaves out up to 7 sentences of every epoch.
        "--required-batch-size-multiple": 1,
        "--num-workers": 0,
        # No thread that prepares batches ahead: interrupted when the process ends, it may crash the
        # process.
        "--data-buffer-size": 0,
        "--log-format": "json",
        "--log-interval": 10,
    }
    flags = [
        "--no-epoch-checkpoints",
        "--disable-validation",
        "--no-progress-bar",
        *([] if torch.cuda.is_available() else ["--cpu"]),
    ]
    named = [
        name if value is None else f"{name}={value}" for name, value in {**values, **always}.items()
    ]
    return [str(data), *named, *flags, *switches]
