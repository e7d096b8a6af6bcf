"""Arms trained side by side come to what they come to alone, and don't disturb each other."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_ablation.model import checkpoint
from nmt_ablation.training.glue import EndedError
from nmt_ablation.training.record import BEST
from nmt_ablation.transfer.start import Transfer
from tests.conftest import NewRun, Run
from tests.slow import TRAINING
from tests.stepwise import FROZEN, Stepwise, tuning


@pytest.fixture
def arms(finished: Run) -> dict[str, Transfer]:
    stages = finished.pipeline.train(finished.cell(200, "frozen")).rows
    rows = {side: finished.workspace.file(stage.rows) for side, stage in stages.items()}
    return {
        "random": Transfer(),
        "frozen": Transfer(rows=rows, tuning=FROZEN),
        "unfrozen": Transfer(rows=rows, tuning=tuning("embeddings", unfreeze=4)),
        "slow": Transfer(rows=rows, tuning=tuning("embeddings", rate=0.1)),
        "by depth": Transfer(rows=rows, tuning=tuning("model", gradual=3, decay=0.5)),
        "tied": Transfer(rows=rows, tying="decoder"),
    }


def _apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(
        float((one[name] - other[name]).abs().max()) for name in one if "k_proj.bias" not in name
    )


def test_each_arm_comes_to_what_it_comes_to_alone(
    finished: Run, tmp_path: Path, arms: dict[str, Transfer]
) -> None:
    together = Stepwise(finished, tmp_path, *arms.values(), clip_norm=0.5)
    together.update(8)
    for number, (arm, transfer) in enumerate(arms.items()):
        alone = Stepwise(finished, tmp_path, transfer, clip_norm=0.5)
        start = alone.weights()
        now = alone.update(8)
        stacked = together.weights(number)
        tables = [name for name in start if "embed_tokens" in name]
        still = [torch.equal(stacked[name], start[name]) for name in tables]
        assert all(still) if arm == "frozen" else not any(still)
        # Rounding, beside what was learned.
        assert _apart(now, stacked) < 0.01 * _apart(start, now)
        assert alone.task.training.batches == together.task.training.batches


def test_gradients_are_clipped_for_each_arm_alone(finished: Run, tmp_path: Path) -> None:
    both = Stepwise(finished, tmp_path, Transfer(), Transfer())
    for number, size in enumerate((3.0, 0.01)):
        for weight in both.task.models[number].parameters():
            weight.grad = torch.full_like(weight, size)
    count = sum(weight.numel() for weight in both.model.parameters())
    norm = both.trainer.optimizer.clip_grad_norm(1.0)
    assert float(norm) == pytest.approx(math.hypot(3, 0.01) * math.sqrt(count), rel=1e-4)
    for number, expected in enumerate((1.0, min(1.0, 0.01 * math.sqrt(count)))):
        gradients = [weight.grad for weight in both.task.models[number].parameters()]
        clipped = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
        assert float(clipped) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("broken", ["weights", "gradient"])
def test_an_arm_that_breaks_ends_alone(finished: Run, tmp_path: Path, broken: str) -> None:
    alone = Stepwise(finished, tmp_path, Transfer())
    alone.update(6)
    both = Stepwise(finished, tmp_path, Transfer(), Transfer())
    both.update(3)
    second = both.task.models[1]
    if broken == "weights":
        second.encoder.layers[0].fc1.weight.data[0, 0] = float("nan")
    else:
        second.encoder.layers[0].fc1.weight.register_hook(lambda gradient: gradient * float("inf"))
    both.update()
    assert [arm.ended for arm in both.task.training.arms] == [None, "divergence"]
    at_its_end = both.weights(1)
    both.update(2)
    assert both.task.training.arms[1].ended_at == 3
    still = both.weights(1)
    assert all(torch.equal(at_its_end[n].nan_to_num(7), still[n].nan_to_num(7)) for n in still)
    assert _apart(alone.weights(), both.weights()) < 1e-4


def test_when_the_last_arm_ends_training_does(finished: Run, tmp_path: Path) -> None:
    both = Stepwise(finished, tmp_path, Transfer(), Transfer(), max_updates=2)
    both.update(2)
    with pytest.raises(EndedError):
        both.update()
    assert [(arm.ended, arm.ended_at) for arm in both.task.training.arms] == [("budget", 2)] * 2
    again = Stepwise(finished, tmp_path, Transfer(), Transfer())
    again.task.set_checkpoint_dict(both.task.get_checkpoint_dict()["ArmsTask"])
    with pytest.raises(EndedError):
        again.update()


def test_an_arm_out_of_patience_ends_alone_and_keeps_its_best(
    finished: Run, tmp_path: Path
) -> None:
    both = Stepwise(finished, tmp_path, Transfer(), Transfer(), validate_every=2, patience=2)
    both.update(2)
    scores = iter([[5.0, 7.0], [6.0, 6.0], [7.0, 7.0]])

    class Scores:
        """The scores of the two models, validation by validation."""

        def __init__(self) -> None:
            self.now: list[float] = []

        def loss(self, model: Any) -> float:
            return 1.0

        def bleu(self, model: Any) -> float:
            self.now = self.now or next(scores)[:]
            return self.now.pop(0)

    both.task.valid = Scores()
    both.update(5)
    first, second = both.task.training.arms
    assert (first.ended, first.best, first.best_update) == (None, 7.0, 6)
    assert (second.ended, second.best, second.best_update) == ("patience", 7.0, 2)
    for number, update in ((0, 6), (1, 2)):
        found = checkpoint.read(tmp_path / str(number) / BEST)
        assert found["optimizer_history"][-1]["num_updates"] == update


def test_a_run_together_is_a_run_apart(prepared: None, finished: Run, new_run: NewRun) -> None:
    """Through the command: the same scores, but for rounding, and records that say how."""
    run = new_run(("[50, 200]", "[200]"))
    result = run.call("run", "--together")
    assert result.returncode == 0, result.stderr
    assert "Arms of one size and seed train in one process" in result.stderr
    assert "random: BLEU" in result.stderr
    for arm in ("random", "frozen", "finetuned", "source"):
        cell = run.cell(200, arm)
        stage = run.pipeline.train(cell)
        ours, theirs = run.workspace.record(stage), finished.workspace.record(stage)
        assert (ours.together, theirs.together) == (4, 1)
        assert ours.initial_weights == theirs.initial_weights
        shared = ours.batches.keys() & theirs.batches.keys()
        assert 1 in shared
        assert all(ours.batches[at] == theirs.batches[at] for at in shared)
        assert ours.validations[0].loss == pytest.approx(theirs.validations[0].loss, abs=0.01)
        assert "bleu" in run.workspace.record(run.pipeline.score(cell)).scores
    assert run.call("run", "--together").returncode == 0  # nothing left to do
    assert run.call("report").returncode == 0


@pytest.mark.slow(*TRAINING)
def test_killed_together_and_gone_on_it_is_as_never_killed(
    prepared: None, new_run: NewRun, tmp_path: Path
) -> None:
    whole = new_run(("[50, 200]", "[200]"))
    assert whole.call("run", "--together").returncode == 0
    cut = Run(whole.file, tmp_path / "cut", whole.mirror)
    stages = [whole.pipeline.train(whole.cell(200, arm)) for arm in ("random", "frozen")]
    cut.kill_at_checkpoint(stages[0], "--together")
    assert cut.call("run", "--together").returncode == 0
    for stage in stages:
        one, other = whole.workspace.record(stage), cut.workspace.record(stage)
        assert (one.weights, one.validations) == (other.weights, other.validations)


def test_what_others_left_is_not_gone_on_from(
    prepared: None, finished: Run, new_run: NewRun
) -> None:
    """Killed together, then each alone."""
    run = new_run(("[50, 200]", "[200]"))
    stage = run.pipeline.train(run.cell(200, "random"))
    run.kill_at_checkpoint(stage, "--together")
    assert run.call("run", "--cell", "200-random-s1", "--apart").returncode == 0
    assert run.workspace.record(stage).weights == finished.workspace.record(stage).weights
