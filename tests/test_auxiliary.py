"""Objectives that are learned beside translation: paired, resumable, counted, and learned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.checkpoint_utils import load_model_ensemble_and_task

from nmt_ablation.cost import START_SECONDS, cell_seconds
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.model import checkpoint
from nmt_ablation.objectives.auxiliary import Auxiliary
from nmt_ablation.report import data_tables
from nmt_ablation.report.sentences import drowned
from nmt_ablation.stage import Build
from nmt_ablation.stages.training import Train
from nmt_ablation.training.auxiliary import AuxiliaryTask
from nmt_ablation.training.record import Trained
from tests import rows
from tests.conftest import NewRun, Run
from tests.slow import TRAINING

SMALL = ("[50, 200]", "[50]")
ARMS = (
    "baseline: random",
    "  nothing: {auxiliary: {causal-lm: {weight: 1.0e-30}}}\n"
    "  siatl: {auxiliary: {causal-lm: {weight: 0.5, half_life: 40}}}\n"
    "  own: {auxiliary: {lm: {objective: causal-lm, weight: 0.5, text: sample}}}\n"
    "  seldom: {auxiliary: {lm: {objective: causal-lm, weight: 0.5, text: sample, every: 4}}}\n"
    "  turns:\n"
    "    auxiliary: {causal-lm: {weight: 0.5, every: 2}, masked-lm: {weight: 0.5, every: 2}}\n"
    "  masked: {start: {embeddings: word2vec}, auxiliary: {masked-lm: {weight: 0.5}}}\n"
    "baseline: random",
)
NEW = ("random", "nothing", "siatl", "own", "seldom", "turns", "masked")


def _train(run: Run, arm: str) -> Train:
    return run.pipeline.train(run.cell(50, arm))


def _odds(share: float | None) -> float:
    assert share is not None
    return share / (1 - share)


def _record(run: Run, arm: str) -> Trained:
    return run.workspace.record(_train(run, arm))


@pytest.fixture
def run(new_run: NewRun) -> Run:
    return new_run(SMALL, ARMS)


def _task(run: Run, arm: str, tmp_path: Path) -> AuxiliaryTask:
    """The auxiliary objective of a finished cell."""
    stage, workspace = _train(run, arm), run.workspace
    folders = {it.digest: workspace.path(it) for it in stage.inputs.values()}
    build = Build(stage, tmp_path, folders, workspace.file, workspace.record, lambda *_: None)
    (plan,) = stage.plan(build).auxiliary
    task = _loaded(run, arm)[1]
    return AuxiliaryTask(plan, (task.source_dictionary, task.target_dictionary), 1024, seed=1)


def _loaded(run: Run, arm: str) -> tuple[Any, Any]:
    """The model of a finished cell, and fairseq's task."""
    stage = _train(run, arm)
    where = {"data": str(run.workspace.file(stage.binarise.data)), "task": "translation"}
    with checkpoint.readable():
        models, _, task = load_model_ensemble_and_task(
            [str(run.workspace.file(stage.checkpoint))], where
        )
    return models[0].eval(), task


@pytest.mark.slow(*TRAINING)
def test_arms_are_paired_counted_and_learn_the_objective(run: Run, tmp_path: Path) -> None:
    options = [f"--cell=50-{arm}-s1" for arm in NEW]
    assert run.call("run", *options).returncode == 0
    records = {arm: _record(run, arm) for arm in NEW}
    random = records["random"]
    # Dropout and batches of translation are the same, so that without weight nothing changes.
    assert records["nothing"].weights == random.weights
    assert records["nothing"].auxiliary_tokens > 0
    for arm in ("siatl", "own", "masked"):
        found = records[arm]
        assert found.weights != random.weights
        assert found.initial_weights == random.initial_weights
        assert all(
            found.batches[at] == it for at, it in random.batches.items() if at in found.batches
        )
        assert found.auxiliary_share is not None and 0 < found.auxiliary_share < 0.6
    odds = {arm: _odds(records[arm].auxiliary_share) for arm in ("own", "seldom")}
    assert odds["seldom"] == pytest.approx(odds["own"] / 4, rel=0.35)
    # Of two objectives that take turns, each has every second update.
    assert records["turns"].weights != random.weights
    assert records["turns"].auxiliary_tokens < records["siatl"].auxiliary_tokens
    assert (random.auxiliary_tokens, random.auxiliary_share) == (0, None)
    task = _task(run, "siatl", tmp_path)
    with torch.no_grad():
        losses = {
            arm: float(task.loss(_loaded(run, arm)[0], 0, torch.float32)[0])
            for arm in ("random", "siatl")
        }
    assert losses["siatl"] < losses["random"] - 0.05
    # Killed and resumed, it is the same; and together with others, but for rounding.
    other = Run(run.file, tmp_path / "again", run.mirror)
    other.kill_at_checkpoint(_train(other, "siatl"), "--cell=50-siatl-s1")
    assert other.call("run", "--cell=50-siatl-s1").returncode == 0
    assert _record(other, "siatl").weights == records["siatl"].weights
    assert _record(other, "siatl").auxiliary_tokens == records["siatl"].auxiliary_tokens
    both = Run(run.file, tmp_path / "both", run.mirror)
    assert both.call("run", "--together", *options).returncode == 0
    for arm in NEW:
        ours, alone = _record(both, arm), records[arm]
        assert ours.auxiliary_tokens == alone.auxiliary_tokens
        assert [it.loss for it in ours.validations] == pytest.approx(
            [it.loss for it in alone.validations], abs=0.02
        )


def test_batches_depend_on_the_update_alone_and_an_epoch_has_each_line_once(
    run: Run, tmp_path: Path
) -> None:
    assert run.call("run", "--cell=50-masked-s1").returncode == 0
    task, again = (_task(run, "masked", tmp_path) for _ in range(2))
    epoch = [task.batch(update) for update in range(task.batches)]
    ids = np.concatenate([batch["id"].numpy() for batch in epoch])
    assert sorted(ids) == list(range(len(task.sentences)))
    for update in (task.batches + 1, 3, 0):
        ours, theirs = task.batch(update), again.batch(update)
        assert ours["id"].tolist() == theirs["id"].tolist()
        assert torch.equal(ours["batches"][0].source, theirs["batches"][0].source)
    later = [task.batch(task.batches + update) for update in range(task.batches)]
    assert [it["id"].tolist() for it in later] != [it["id"].tolist() for it in epoch]
    assert max(batch["ntokens"] for batch in epoch) <= 1024


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{causal: {weight: 1}}", "'causal' is no objective; write one of causal-lm"),
        ("{causal-lm: {}}", "weight"),
        ("{causal-lm: {weight: 0}}", "greater than 0"),
        ("{causal-lm: {weight: 1, languages: source}}", "decoder would read text of source"),
        ("{denoising: {weight: 1}}", "needs one dictionary for both languages"),
    ],
)
def test_mistakes_are_named(new_run: NewRun, written: str, said: str) -> None:
    run = new_run(
        ("fit_on: monolingual", "fit_on: monolingual, joint: false"),
        ("baseline: random", f"  siatl: {{auxiliary: {written}}}\nbaseline: random"),
    )
    with pytest.raises(UserError, match="siatl") as error:
        load(run.file)
    assert said in str(error.value)


def test_text_that_is_not_there_is_named(new_run: NewRun) -> None:
    run = new_run(
        ("  monolingual: [Synthetic/v1]\n", ""),
        ("fit_on: monolingual", "fit_on: sample"),
        ("kind: word2vec, ", "kind: word2vec, text: sample, "),
        ("baseline: random", "  siatl: {auxiliary: {causal-lm: {weight: 1}}}\nbaseline: random"),
    )
    with pytest.raises(UserError, match="needs text in en: name corpora under"):
        load(run.file)


def test_an_objective_that_may_drown_translation_is_flagged() -> None:
    cells = [rows.cell(100, "random", 5.0)]
    cells += [rows.cell(100, arm, 5.0, auxiliary_share=it) for arm, it in (("a", 0.7), ("b", 0.3))]
    said = drowned(rows.results([], cells))
    assert "More than half of the loss of a was that of auxiliary objectives" in said
    assert drowned(rows.results([], cells[:1])) == ""


def test_a_weight_halves() -> None:
    halving = Auxiliary.model_validate({"weight": 0.4, "half_life": 100})
    assert [halving.weight_at(update) for update in (0, 100, 300)] == pytest.approx(
        [0.4, 0.2, 0.05]
    )
    assert Auxiliary.model_validate({"weight": 2}).weight_at(1000) == 2


def test_a_plan_names_it_and_counts_its_time(new_run: NewRun) -> None:
    run = new_run(SMALL, ARMS)
    said = run.call("plan").stdout
    assert (
        "siatl: causal-lm beside translation, up to 1,024 tokens of monolingual text an update."
        in said
    )
    assert "own: causal-lm beside translation, up to 1,024 tokens of sample text an update." in said
    experiment = run.pipeline.experiment
    alone, beside = (
        cell_seconds(experiment, 0.1, run.cell(50, arm)) for arm in ("random", "siatl")
    )
    assert beside - START_SECONDS == pytest.approx((1 + 1024 / 256) * (alone - START_SECONDS))
    assert cell_seconds(experiment, 0.1) == beside


def test_the_table_of_costs_counts_its_tokens() -> None:
    cells = [rows.cell(100, "random", 5.0), rows.cell(100, "siatl", 6.0, auxiliary_tokens=700)]
    means = [rows.mean(100, "random", None), rows.mean(100, "siatl", 1.0)]
    table = data_tables.costs(rows.results(means, cells))
    at = [header.text for header in table.headers].index("tokens beside")
    assert [line[at].text for line in table.lines] == ["0", "700"]
