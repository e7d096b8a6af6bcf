"""A fixed schedule: all arms train equally long, and the last checkpoints are averaged."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Experiment
from nmt_ablation.experiment.file import load
from nmt_ablation.model import checkpoint
from nmt_ablation.report import markdown, tables
from nmt_ablation.results.rows import Validation
from nmt_ablation.training.launch import LOG
from nmt_ablation.training.record import BEST, Trained
from tests.conftest import NewRun, Run, tiny
from tests.rows import cell, results

FIXED = ("patience: 2", "schedule: fixed")
AVERAGED = ("patience: 2", "schedule: fixed\n  average: 2")
ARMS = ("random", "frozen")
CELLS = [part for arm in ARMS for part in ("--cell", f"200-{arm}-s1")]


def _record(run: Run, arm: str) -> Trained:
    return run.workspace.record(run.pipeline.train(run.cell(200, arm)))


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory, mirror: Path, prepared_module: None) -> Run:
    """A run of two arms, in one process, whose last two checkpoints are averaged."""
    run = tiny(tmp_path_factory.mktemp("averaged"), mirror, AVERAGED)
    result = run.call("run", "--together", *CELLS)
    assert result.returncode == 0, result.stderr
    return run


def test_all_arms_train_equally_long_while_the_rate_falls_to_nothing(averaged: Run) -> None:
    for arm in ARMS:
        record = _record(averaged, arm)
        assert (record.updates, record.best_update, record.ended_by) == (60, 60, "schedule")
        assert [it.update for it in record.validations] == [20, 40, 60]
    logs = averaged.workspace_root.rglob(LOG)
    (text,) = {path.read_text() for path in logs if path.stat().st_size}
    rates = [float(rate) for rate in re.findall(r'"lr": "([\d.e-]+)"', text)]
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates[-1] <= 0.1 * max(rates)


def test_what_is_scored_is_the_mean_of_the_last_and_loads_as_stock(
    averaged: Run, tmp_path: Path, mirror: Path
) -> None:
    last = tiny(tmp_path, mirror, FIXED)
    assert last.call("run", *CELLS[:2]).returncode == 0
    one, mean = _record(last, "random"), _record(averaged, "random")
    assert [it.update for it in one.validations] == [it.update for it in mean.validations]
    assert one.batches == mean.batches and one.weights != mean.weights
    assert one.valid_bleu == one.validations[-1].bleu
    folder = averaged.workspace.path(averaged.pipeline.train(averaged.cell(200, "random")))
    assert [path.name for path in folder.glob("*.pt")] == [BEST]


def test_a_frozen_part_stays_as_it_was_in_an_average(averaged: Run) -> None:
    of_arm = {
        arm: checkpoint.read(
            averaged.workspace.file(averaged.pipeline.train(averaged.cell(200, arm)).checkpoint)
        )["model"]
        for arm in ARMS
    }
    changed = [
        name
        for name, weight in of_arm["random"].items()
        if not torch.equal(weight, of_arm["frozen"][name])
    ]
    assert "encoder.embed_tokens.weight" in changed
    assert {weight.dtype for weight in of_arm["random"].values()} == {torch.float32}


def test_a_mean_of_checkpoints_is_that_of_their_weights(tmp_path: Path, averaged: Run) -> None:
    stage = averaged.pipeline.train(averaged.cell(200, "random"))
    whole = checkpoint.read(averaged.workspace.file(stage.checkpoint))
    paths = []
    for number in (1, 2, 6):
        weights = {"w": torch.full((2, 2), float(number)), "n": torch.tensor([number])}
        paths.append(tmp_path / f"{number}.pt")
        torch.save(whole | {"model": weights}, paths[-1])
    mean = checkpoint.average(paths)
    assert torch.equal(mean["w"], torch.full((2, 2), 3.0)) and mean["n"].tolist() == [3]


def test_killed_it_goes_on_to_the_same_mean(averaged: Run, tmp_path: Path, mirror: Path) -> None:
    killed = tiny(tmp_path, mirror, AVERAGED)
    killed.kill_at_checkpoint(killed.pipeline.train(killed.cell(200, "random")), *CELLS[:2])
    assert killed.call("run", *CELLS[:2]).returncode == 0
    (tmp_path / "alone").mkdir()
    alone = tiny(tmp_path / "alone", mirror, AVERAGED)
    assert alone.call("run", *CELLS[:2]).returncode == 0
    one, other = _record(killed, "random"), _record(alone, "random")
    assert (one.weights, one.validations, one.valid_bleu) == (
        other.weights,
        other.validations,
        other.valid_bleu,
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ([FIXED, ("max_updates: 60", "max_updates: 70")], "no multiple of validate_every 20"),
        ([("patience: 2", "schedule: fixed\n  average: 4")], "average 4 is more than the 60 / 20"),
        ([("patience: 2", "average: 2")], "average needs schedule: fixed"),
        ([("patience: 2", "schedule: longer")], "schedule: .*'patience' or 'fixed'"),
    ],
)
def test_what_can_not_be_averaged_is_refused(
    new_run: NewRun, changes: Sequence[tuple[str, str]], error: str
) -> None:
    with pytest.raises(UserError, match=error):
        load(new_run(*changes).file)


def test_an_experiment_without_it_has_the_artifacts_that_it_had(new_run: NewRun) -> None:
    """Keys that came later are in no digest where they say what always was."""
    experiment: Experiment = load(new_run().file).experiment
    assert not {"schedule", "average"} & experiment.training.model_dump().keys()


@pytest.mark.parametrize(
    ("bleu", "scored", "caveat"),
    [
        ([5, 10, 15, 18, 19, 20, 20, 20, 20, 20], 20.1, None),
        ([2, 4, 6, 8, 10, 12, 14, 16, 18, 20], 20.0, "rising"),
        ([5, 20, 25, 24, 23, 22, 21, 20, 20, 20], 20.0, "fallen"),
        ([20], 20.0, None),
    ],
)
def test_a_training_that_is_too_short_or_too_long_is_marked(
    bleu: list[float], scored: float, caveat: str | None
) -> None:
    validations = tuple(Validation(update=n, loss=1.0, bleu=it) for n, it in enumerate(bleu))
    of: dict[str, Any] = {"ended_by": "schedule", "validations": validations}
    row = cell(100, "random", 20.0, validation_bleu=scored, **of)
    assert row.caveat == caveat
    text = markdown.render(tables.cells(results([], [row])))
    assert (tables.NOTES[caveat] in text) if caveat else not any(it in text for it in "↗↘")


def test_a_budget_of_one_size_is_the_same_training_as_a_budget_of_all(new_run: NewRun) -> None:
    plain = new_run(("max_updates: 60", "max_updates: 40")).pipeline
    by_size = new_run(("max_updates: 60", "max_updates: 60\n  max_updates_at: {200: 40}")).pipeline
    usual = new_run().pipeline
    small, large = (usual.file.cell(f"{size}-random-s1") for size in (50, 200))
    assert by_size.train(large) == plain.train(large) != usual.train(large)
    assert by_size.train(small) == usual.train(small)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("max_updates_at: {999: 40}", "999 is none of the experiment's sizes"),
        ("max_updates_at: {200: 10}", "max_updates 10 ends before the first validation, at 20"),
        ("max_updates_at: {200: 50}\n  schedule: fixed", "max_updates 50 is no multiple of"),
    ],
)
def test_a_budget_that_can_not_be_is_refused(new_run: NewRun, changed: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(new_run(("patience: 2", f"patience: 2\n  {changed}")).file)


def test_a_pilot_finds_the_updates_that_the_slower_arm_needs(new_run: NewRun) -> None:
    run = new_run(("max_updates: 60", "max_updates: 80"), FIXED)
    result = run.call("pilot", "--arm", "finetuned")
    assert result.returncode == 0, result.stderr
    best = re.findall(r"^(50|200)-(random|finetuned)-s1: .* at (\d+) updates", result.stdout, re.M)
    assert len(best) == 4
    needed = {size: max(int(at) for other, _, at in best if other == size) for size, *_ in best}
    lines = (run.workspace_root / "tiny-pilot" / "lengths.yaml").read_text()
    assert lines in result.stdout
    assert f"max_updates_at: {{50: {needed['50']}, 200: {needed['200']}}}" in lines
    assert ("raise training.max_updates" in result.stdout) == ("ended by budget" in result.stdout)
    again = run.call("pilot", "--arm", "finetuned")
    assert again.stdout == result.stdout and not again.stderr
    text = run.file.read_text().replace("training:\n", lines).replace("  schedule: fixed\nd", "d")
    run.file.write_text(text)
    training = load(run.file).experiment.training
    assert (training.schedule, training.updates_of(50)) == ("fixed", int(needed["50"]))


def test_a_pilot_needs_another_arm(new_run: NewRun) -> None:
    for arm in ("random", "whole"):
        result = new_run().call("pilot", "--arm", arm)
        assert result.returncode == 1 and "allowed: frozen, finetuned, source" in result.stderr
