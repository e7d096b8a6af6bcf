"""Learning rates of which each cell keeps the one that is best on the validation set."""

import csv
import re
from pathlib import Path

import pytest

from nmt_ablation.cost import cell_seconds, training_seconds
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.report import tables
from nmt_ablation.stages.training import Choose
from nmt_ablation.training.record import Chosen
from tests.conftest import NewRun, Run, tiny
from tests.rows import cell, results

RATES = ("learning_rate: 0.01", "learning_rate: [0.0000001, 0.01]")
LONGER = (("max_updates: 60", "max_updates: 120"), ("patience: 2", "patience: 50"))


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory, mirror: Path, prepared_module: None) -> Run:
    """A run of two arms at two rates, at the first of which nothing is learnt."""
    run = tiny(tmp_path_factory.mktemp("rates"), mirror, RATES, *LONGER)
    result = run.call("run", "--cell", "200-random-s1", "--cell", "200-frozen-s1")
    assert result.returncode == 0, result.stderr
    return run


@pytest.mark.parametrize("arm", ["random", "frozen"])
def test_a_cell_keeps_the_rate_that_is_best_on_the_validation_set(chosen: Run, arm: str) -> None:
    choice = chosen.pipeline.model(chosen.cell(200, arm))
    assert isinstance(choice, Choose)
    record = chosen.workspace.record(choice)
    trained = {it.training.rates[0]: chosen.workspace.record(it) for it in choice.trainings}
    assert record.valid_bleu == {rate: it.valid_bleu for rate, it in trained.items()}
    assert record.valid_bleu[record.learning_rate] == max(record.valid_bleu.values())
    best = chosen.workspace.file(choice.chosen(record).checkpoint)
    assert chosen.workspace.file(choice.checkpoint).read_bytes() == best.read_bytes()


def test_of_equal_rates_the_first_is_kept(chosen: Run) -> None:
    choice = chosen.pipeline.model(chosen.cell(200, "random"))
    assert isinstance(choice, Choose)
    assert choice.chosen(Chosen(1e-7, {1e-7: 0.0, 0.01: 0.0})) is choice.trainings[0]


def test_what_is_scored_and_reported_is_the_training_that_was_kept(chosen: Run) -> None:
    assert chosen.call("report").returncode == 0
    with (chosen.workspace_root / "tiny" / "report" / "tiny.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {"random", "frozen"}
    for row in rows:
        choice = chosen.pipeline.model(chosen.cell(200, row["arm"]))
        assert isinstance(choice, Choose)
        record = chosen.workspace.record(choice)
        training = chosen.workspace.record(choice.chosen(record))
        assert float(row["learning_rate"]) == record.learning_rate
        assert float(row["validation_bleu"]) == training.valid_bleu
        assert int(row["updates"]) == training.updates


def test_a_training_is_that_of_an_experiment_with_its_rate_alone(
    chosen: Run, new_run: NewRun
) -> None:
    alone = new_run(*LONGER).pipeline.train(chosen.cell(200, "frozen"))
    assert alone == chosen.pipeline.trainings(chosen.cell(200, "frozen"))[1]


def test_trainings_are_jobs_of_their_own_which_go_on_from_where_they_stopped(
    chosen: Run, tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMT_ABLATION_CACHE", str(chosen.workspace_root))
    again = tiny(tmp_path, mirror, RATES, ("max_updates: 60", "max_updates: 300"), LONGER[1])
    of_random = again.cell(200, "random")
    first, second = again.pipeline.trainings(of_random)
    again.kill_at_checkpoint(first, "--jobs", "1", "--cell", "200-random-s1")
    assert not again.workspace.done(second)
    result = again.call("run", "--cell", "200-random-s1")
    assert result.returncode == 0, result.stderr
    assert re.search(r"200-random-s1-at-0\.01: done", result.stderr)
    whole = again.workspace.record(first)
    assert [it.update for it in whole.validations] == [*range(20, 301, 20)]


def test_a_plan_counts_each_rate(new_run: NewRun) -> None:
    several, one = (load(new_run(*it).file).experiment for it in ((RATES,), ()))
    assert cell_seconds(several, 0.1) == 2 * training_seconds(one.training.max_updates, 0.1)


@pytest.mark.parametrize(
    ("rates", "error"),
    [
        ("[]", "lists no rate"),
        ("[0.01, 0.01]", "lists a rate twice: 0.01, 0.01"),
        ("[0.01, 0]", "greater than 0"),
        ("fast", "learning_rate: .*a valid number"),
    ],
)
def test_rates_that_make_no_sense_are_refused(new_run: NewRun, rates: str, error: str) -> None:
    with pytest.raises(UserError, match=error):
        load(new_run(("learning_rate: 0.01", f"learning_rate: {rates}")).file)


@pytest.mark.parametrize(
    ("rates", "shown"),
    [
        ((0.002, 0.0006), ["0.002", "0.0006"]),
        ((None, 0.0006), ["–", "0.0006"]),
        ((0.002, 0.002), []),
    ],
)
def test_rates_are_shown_where_they_differ(
    rates: tuple[float | None, float], shown: list[str]
) -> None:
    rows = [
        cell(200, arm, 10, learning_rate=rate)
        for arm, rate in zip(("random", "frozen"), rates, strict=True)
    ]
    table = tables.cells(results([], rows))
    at = [number for number, it in enumerate(table.headers) if it.text == "learning rate"]
    assert [line[number].text for line in table.lines for number in at] == shown
