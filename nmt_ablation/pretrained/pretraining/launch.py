"""Pretrainings by fairseq's trainer, from the start or resumed."""

import json
import shutil
from dataclasses import replace

import torch
from pydantic import TypeAdapter

from nmt_ablation.errors import UserError
from nmt_ablation.files import write_atomically
from nmt_ablation.model import checkpoint
from nmt_ablation.pretrained.pretraining.plan import Plan, State
from nmt_ablation.pretrained.pretraining.task import PretrainingTask
from nmt_ablation.pretrained.records import NetworkRecord
from nmt_ablation.stopping import StoppedError
from nmt_ablation.training import glue
from nmt_ablation.training.launch import architecture, as_arguments, optimisation, until
from nmt_ablation.training.optimizer import FusedAdam
from nmt_ablation.values import SIDES

REGISTERED = (PretrainingTask, FusedAdam)
"""Classes that fairseq finds by name, once they are imported."""
LOG, RECORD, DATA = "train.log", "record.json", "data"
_RECORD = TypeAdapter(NetworkRecord)


def pretrain(plan: Plan) -> NetworkRecord:
    """Train a network, or resume its training.

    Call this once in a process: fairseq keeps state between trainings.

    Raises:
        StoppedError: SIGUSR1 or SIGTERM came, and training left a checkpoint to resume from.
        UserError: training diverged, or the GPU has not enough memory.
    """
    folder = plan.weights.parent
    if not (folder / RECORD).exists():
        plan = replace(plan, configuration=configure(plan))
        session = glue.start(plan, State())
        less = "lower the network's batch_tokens"
        glue.train(plan.configuration, session, plan.threads, folder / LOG, less)
        state: State = session.state
        if state.diverged:
            raise UserError(
                f"pretraining diverged after {state.update:,} updates: its loss is no number any "
                "more; lower the network's learning_rate, or raise its warmup_updates"
            )
        if not state.ended:
            raise StoppedError("pretraining stopped with a checkpoint")
        # Before checkpoints are removed, as in a cell's training.
        plain = _RECORD.dump_python(_record(plan, state), mode="json")
        write_atomically(folder / RECORD, json.dumps(plain))
    for path in folder.glob("checkpoint*.pt"):
        path.unlink()
    shutil.rmtree(folder / DATA, ignore_errors=True)
    return _RECORD.validate_json((folder / RECORD).read_bytes())


def configure(plan: Plan) -> object:
    """Return fairseq's configuration of a pretraining, with dictionaries where it looks for
    them."""
    folder = plan.weights.parent
    (folder / DATA).mkdir(exist_ok=True)
    for side in SIDES:
        there = folder / DATA / f"dict.{plan.languages[side]}.txt"
        shutil.copyfile(plan.dictionaries[side], there)
    values = {
        "--task": "pretraining",
        "--source-lang": plan.languages["source"],
        "--target-lang": plan.languages["target"],
        **architecture(plan.model),
        "--criterion": "label_smoothed_cross_entropy",
        **optimisation(plan.weight_decay, plan.clip_norm),
        "--lr-scheduler": "polynomial_decay",
        "--lr": plan.learning_rate,
        "--warmup-updates": plan.warmup_updates,
        "--total-num-update": plan.updates,
        "--max-tokens": plan.batch_tokens,
        "--seed": plan.seed,
        **until(plan.updates, plan.validate_every, folder),
    }
    return glue.configuration_of(as_arguments(folder / DATA, values, []), task="pretraining")


def _record(plan: Plan, state: State) -> NetworkRecord:
    return NetworkRecord(
        updates=state.update,
        epochs=state.epoch,
        lines=state.lines,
        held_out=state.held_out,
        tokens=state.tokens,
        predicted=state.predicted,
        too_long=state.too_long,
        validations=state.validations,
        seconds=round(state.seconds, 1),
        threads=plan.threads,
        parameters=state.parameters,
        weights=checkpoint.digest_of_weights(checkpoint.read(plan.weights)["model"]),
        torch=torch.__version__,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
