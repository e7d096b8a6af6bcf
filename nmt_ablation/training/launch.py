"""Run fairseq's trainer on one cell, from the start or from where it was stopped."""

import json
import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils, options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager
from fairseq_cli import train as fairseq_train

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Model, Training
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.training.plugin import ArmTask, DivergedError, digest_of_weights
from nmt_ablation.training.tables import Tables, fold
from nmt_ablation.workspace import Json, Tick, write_atomically

LOG, RECORD = "train.log", "record.json"
BEST, LAST = "checkpoint_best.pt", "checkpoint_last.pt"
NEVER = "1000000000"


@dataclass(frozen=True)
class Arguments:
    """Everything that one training depends on."""

    data: Path
    """A fairseq data-bin."""
    source: str
    target: str
    tables: Tables
    """How the embeddings start and learn."""
    model: Model
    training: Training
    seed: int
    segmenter: Segmenter
    """Of the target side, to score the valid set's translations as text."""
    bleu_tokenizer: str
    """sacreBLEU's, for the same."""


def train(arguments: Arguments, folder: Path, tick: Tick) -> Json:
    """Train, leave the best checkpoint in `folder`, and return what is to be kept on record.

    Call it once in a process: fairseq keeps state between trainings.

    Raises:
        UserError: it diverged before there was any checkpoint to keep.
    """
    training = arguments.training
    if (folder / RECORD).exists():  # all but handed over
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    torch.set_num_threads(training.threads)
    PathManager.copy = staticmethod(_link)
    ArmTask.segmenter = arguments.segmenter
    ArmTask.bleu_tokenizer = arguments.bleu_tokenizer
    ArmTask.on_update = staticmethod(lambda update: tick(update, training.max_updates))
    diverged = False
    if not _ended(state := _state(folder), training):
        parser = options.get_training_parser(default_task="translation_arm")
        parsed = options.parse_args_and_arch(parser, fairseq_arguments(arguments, folder))
        # Not --log-file: fairseq adds its handler again with each epoch, and so writes each line
        # as often as it has seen epochs.
        logging.getLogger().addHandler(logging.FileHandler(folder / LOG))
        configuration = convert_namespace_to_omegaconf(parsed)
        try:
            distributed.call_main(configuration, fairseq_train.main)
        except (DivergedError, FloatingPointError):  # the latter is fairseq's, of gradients
            diverged = True
        state = _state(folder)
    if state is None:
        raise UserError(
            "training diverged before its first look at the valid set: its loss is no "
            "number any more; lower training.learning_rate, or raise training.warmup_updates"
        )
    looks = _looks(folder / LOG)
    _fold(folder / BEST)
    best = checkpoint_utils.load_checkpoint_to_cpu(str(folder / BEST))
    record = {
        "updates": state["updates"],
        "best_update": best["optimizer_history"][-1]["num_updates"],
        "valid_bleu": state["best"],
        # Gains shrink as training goes on, so a cell that was cut short has to say so.
        "ended_by": "divergence" if diverged else _ended(state, training),
        "training_seconds": round(state["seconds"], 1),
        "parameters": sum(weight.numel() for weight in best["model"].values()),
        "weights": digest_of_weights(best["model"]),
        "valid": looks,
        "pairing": {
            "initial_weights": state["initial_weights"],
            "batches": state["batches_at"],
        },
        "torch": torch.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
    # Kept before the last checkpoint goes: whoever finds neither would train all of it again.
    write_atomically(folder / RECORD, json.dumps(record))
    for path in folder.glob("*.pt"):
        if path.name != BEST:
            path.unlink()
    return record


def fairseq_arguments(arguments: Arguments, folder: Path) -> list[str]:
    """The command line of `fairseq-train` for a cell."""
    model, training = arguments.model, arguments.training
    values: dict[str, Any] = {
        "--task": "translation_arm",
        "--source-lang": arguments.source,
        "--target-lang": arguments.target,
        "--arm": arguments.tables.to_json(),
        "--matrix-precision": training.precision,
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
        "--optimizer": "adam",
        "--adam-betas": "(0.9, 0.98)",
        "--weight-decay": training.weight_decay,
        "--clip-norm": training.clip_norm,
        "--lr-scheduler": "inverse_sqrt" if training.warmup_updates else "fixed",
        "--lr": training.learning_rate,
        "--warmup-updates": training.warmup_updates,
        "--max-tokens": training.batch_tokens,
        "--max-tokens-valid": 4 * training.batch_tokens,
        # fairseq's default of 8 silently leaves out up to 7 pairs of every epoch and valid set.
        "--required-batch-size-multiple": 1,
        "--max-update": training.max_updates,
        "--seed": arguments.seed,
        "--num-workers": 0,
        "--save-dir": folder,
        "--save-interval": NEVER,
        "--validate-interval": NEVER,
        "--save-interval-updates": training.validate_every,
        "--validate-interval-updates": training.validate_every,
        "--keep-interval-updates": 1,
        "--patience": training.patience,
        "--best-checkpoint-metric": "bleu",
        "--eval-bleu-args": json.dumps({"beam": 1, "max_len_a": 1.2, "max_len_b": 10}),
        "--log-format": "json",
        "--log-interval": 10,
    }
    switches = [
        "--encoder-normalize-before",
        "--decoder-normalize-before",
        "--no-epoch-checkpoints",
        "--maximize-best-checkpoint-metric",
        "--eval-bleu",
        "--skip-invalid-size-inputs-valid-test",
        "--no-progress-bar",
    ]
    if not torch.cuda.is_available():
        switches.append("--cpu")
    named = [f"{name}={value}" for name, value in values.items()]
    return [str(arguments.data), *named, *switches]


def _fold(path: Path) -> None:
    """Bring the tables of a checkpoint into the shape that fairseq's own model has."""
    # As it stands in the file: what fairseq makes of it when it loads it can't be loaded safely.
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    folded = fold(checkpoint["model"])
    if folded.keys() != checkpoint["model"].keys():
        beside = path.with_suffix(".folded")
        torch.save(checkpoint | {"model": folded}, beside)
        beside.replace(path)


def _state(folder: Path) -> dict[str, Any] | None:
    """How far a training is, by its last checkpoint, or None if it has none."""
    if not (folder / LAST).exists():
        return None
    checkpoint = checkpoint_utils.load_checkpoint_to_cpu(str(folder / LAST))
    extra = checkpoint["extra_state"]
    state: dict[str, Any] = extra[ArmTask.__name__]
    return state | {
        "updates": checkpoint["optimizer_history"][-1]["num_updates"],
        "seconds": extra["previous_training_time"],
    }


def _ended(state: dict[str, Any] | None, training: Training) -> str | None:
    """What has ended a training, or None if it has to start or go on.

    fairseq itself would train on when it resumes a training that had ended.
    """
    if state is not None and state["looks_since_best"] >= training.patience:
        return "patience"
    if state is not None and state["updates"] >= training.max_updates:
        return "budget"
    return None


def _link(source: str, target: str, overwrite: bool = False) -> bool:
    """fairseq's copy of a checkpoint, atomically: killed midway, its own leaves a torn file."""
    beside = Path(f"{target}.link")
    beside.unlink(missing_ok=True)
    os.link(source, beside)
    beside.replace(target)
    return True


def _looks(log: Path) -> list[dict[str, float | None]]:
    """Each look at the valid set: updates, loss and BLEU. After a resumption fairseq may have
    logged a look twice; the same look gives the same numbers."""
    found: dict[int, dict[str, float | None]] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"valid_bleu"' not in line:
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError:  # torn when the process was killed; it was logged again
            continue
        loss, update = float(values["valid_nll_loss"]), int(values["valid_num_updates"])
        found[update] = {
            "update": update,
            "loss": loss if math.isfinite(loss) else None,
            "bleu": float(values["valid_bleu"]),
        }
    return [found[update] for update in sorted(found)]
