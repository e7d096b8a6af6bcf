"""A training whose budget is raised goes on from where it ended, to what it would have been."""

import re
from pathlib import Path

import pytest

from nmt_ablation.stages.training import Train
from nmt_ablation.training import earlier
from nmt_ablation.training.launch import LOG
from tests.conftest import NewRun, Run, tiny
from tests.slow import TRAINING

ENDLESS = ("patience: 2", "patience: 50")
UPDATES = 60
MORE = ("max_updates: 60", "max_updates: 100")
SMALL = ("[50, 200]", "[50]")


def _raised(run: Run, *replacements: tuple[str, str]) -> Run:
    """The run with more in its experiment file."""
    text = run.file.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    run.file.write_text(text)
    return run


def _train(run: Run, arm: str = "random") -> Train:
    return run.pipeline.train(run.cell(50, arm))


def _updates(run: Run, stage: Train) -> list[int]:
    """The updates in a training's log."""
    text = (run.workspace.path(stage) / LOG).read_text()
    return [int(number) for number in re.findall(r'"num_updates": "(\d+)"', text)]


def _weights(run: Run, arm: str) -> tuple[str, object, object]:
    record = run.workspace.record(_train(run, arm))
    return record.weights, record.validations, record.batches


@pytest.mark.slow(*TRAINING)
@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("options", [(), ("--together",)])
def test_a_raised_budget_goes_on_to_what_it_would_have_been(
    new_run: NewRun, mirror: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    run = new_run(ENDLESS, SMALL)
    assert run.call("run", *options).returncode == 0
    first = _train(run)
    kept = run.workspace.path(first) / earlier.STATE
    assert kept.exists()
    whole = _raised(run, MORE)
    assert whole.call("run", *options).returncode == 0
    assert min(_updates(whole, _train(whole))) > UPDATES
    (tmp_path / "other").mkdir()
    other = tiny(tmp_path / "other", mirror, ENDLESS, SMALL, MORE)
    assert other.call("run", *options).returncode == 0
    assert min(_updates(other, _train(other))) <= UPDATES
    for arm in ("random", "frozen", "finetuned", "source"):
        assert _weights(whole, arm) == _weights(other, arm)


@pytest.mark.slow(*TRAINING)
@pytest.mark.usefixtures("prepared")
def test_one_that_could_not_go_on_starts_over(new_run: NewRun) -> None:
    """A learning rate that falls to nothing, and a part that was never to learn, are others."""
    run = new_run(
        ENDLESS, SMALL, ("tuning: {embeddings: frozen}", "tuning: {embeddings: {unfreeze: 80}}")
    )
    assert run.call("run", "--cell", "50-frozen-s1").returncode == 0
    assert (run.workspace.path(_train(run, "frozen")) / earlier.STATE).exists()
    run = _raised(run, MORE)
    assert run.call("run", "--cell", "50-frozen-s1").returncode == 0
    assert min(_updates(run, _train(run, "frozen"))) <= UPDATES
    run = _raised(run, ("patience: 50", "schedule: fixed"))
    assert run.call("run", "--cell", "50-random-s1").returncode == 0
    assert not (run.workspace.path(_train(run)) / earlier.STATE).exists()


@pytest.mark.usefixtures("prepared")
def test_what_patience_ended_leaves_no_state(new_run: NewRun) -> None:
    run = new_run(SMALL, ("max_updates: 60", "max_updates: 2000"), ("patience: 2", "patience: 1"))
    assert run.call("run", "--cell", "50-random-s1").returncode == 0
    assert run.workspace.record(_train(run)).ended_by == "patience"
    assert not (run.workspace.path(_train(run)) / earlier.STATE).exists()
