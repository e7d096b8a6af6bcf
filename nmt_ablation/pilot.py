"""A pilot: how long to train by a fixed schedule, found on the validation set.

The baseline and another arm, the strongest one that is expected, train with long patience, at each
size and with one seed. Both should have the time that the slower one took to its best.
"""

import math
from dataclasses import dataclass

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell, Experiment
from nmt_ablation.runner import Runner
from nmt_ablation.values import Size

PATIENCE = 20
"""Validations without a better BLEU after which a pilot's training ends: with fewer, trainings end
that still rise."""


@dataclass(frozen=True)
class Best:
    """The course of one training of a pilot."""

    cell: Cell
    update: int
    """The update of its best validation."""
    bleu: float
    """BLEU there, on the validation set."""
    updates: int
    ended_by: str


def runner_of(runner: Runner, arm: str) -> Runner:
    """Return a runner of the pilot of an experiment, in the same workspace.

    Raises:
        UserError: there is no such arm, or it is the baseline.
    """
    experiment = runner.file.experiment
    if arm not in experiment.arms or arm == experiment.baseline:
        allowed = ", ".join(it for it in experiment.arms if it != experiment.baseline)
        raise UserError(f"{runner.file.path}: has no other arm '{arm}'; allowed: {allowed}")
    training = experiment.training.model_copy(
        update={
            "schedule": "patience",
            "average": 1,
            "patience": PATIENCE,
            "max_updates": experiment.training.updates_of(),
            "max_updates_at": {},
        }
    )
    short: Experiment = experiment.model_copy(
        update={
            "name": f"{experiment.name}-pilot",
            "arms": {name: experiment.arms[name] for name in (experiment.baseline, arm)},
            "sizes": [size for size in experiment.sizes if size in experiment.sizes_of(arm)],
            "seeds": experiment.seeds[:1],
            "contrasts": [],
            "predictions": [],
            "training": training,
        }
    )
    file = runner.file.model_copy(update={"experiment": short})
    return Runner(file, runner.places, runner.workspace)


def bests(runner: Runner) -> list[Best]:
    """Return the course of each training of a pilot that has run."""
    found = []
    for cell in runner.file.experiment.cells():
        record = runner.workspace.record(runner.pipeline.training_of(cell, runner.workspace.record))
        found.append(
            Best(cell, record.best_update, record.valid_bleu, record.updates, record.ended_by)
        )
    return found


def updates(found: list[Best], validate_every: int) -> dict[Size, int]:
    """Return the updates for each size: those of its slower arm, up to a validation."""
    slowest: dict[Size, int] = {}
    for it in found:
        slowest[it.cell.size] = max(slowest.get(it.cell.size, 0), it.update)
    return {
        size: math.ceil(update / validate_every) * validate_every
        for size, update in slowest.items()
    }
