"""An arm is what it says: looked at on the tensors, update by update, in real trainings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq import checkpoint_utils
from torch import Tensor

from nmt_ablation.model.tables import SPECIAL_SYMBOLS, Tables, embedding_table
from tests.conftest import NewRun, Run
from tests.stepwise import Stepwise, same

SOURCE, TARGET = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
OUTPUT = "decoder.output_projection.weight"
OTHER = "encoder.layers.0.fc1.weight"


Start = Any


@pytest.fixture
def start(finished: Run, tmp_path: Path) -> Start:
    """Makes a training whose tables have some shape."""

    def make(**tables: Any) -> Stepwise:
        # Where weights decay, what stands still without a gradient would give itself away.
        return Stepwise(finished, tmp_path, Tables(**tables), weight_decay=0.1)

    return make


@pytest.fixture
def rows(finished: Run) -> dict[str, str]:
    """The vectors of both sides in the finished run."""
    step = finished.pipeline.train(finished.cell(200, "frozen")).inputs["rows"]
    folder = finished.workspace.path(step)
    return {side: str(folder / f"{side}.npz") for side in ("source", "target")}


def values_of(path: str) -> tuple[Tensor, Tensor]:
    with np.load(path) as file:
        return torch.from_numpy(file["indices"]) + SPECIAL_SYMBOLS, torch.from_numpy(file["values"])


BOTH = ("source", "target")


def test_frozen_is_equal_to_the_bit_and_the_rest_learns(start: Start, rows: Any) -> None:
    training = start(rows=rows, sides=BOTH, frozen=True)
    before, after = training.weights(), training.update(5)
    for name, side in ((SOURCE, "source"), (TARGET, "target")):
        indices, values = values_of(rows[side])
        assert torch.equal(before[name][indices], values)
        assert same(before, after, name)
    assert not same(before, after, OTHER)


def test_frozen_without_vectors_keeps_the_random_rows(start: Start) -> None:
    plain = start().weights()
    training = start(sides=("source",), frozen=True)
    before, after = training.weights(), training.update(5)
    assert all(same(plain, before, name) for name in plain)
    assert same(before, after, SOURCE)
    assert not same(before, after, TARGET)


def test_thawed_stands_still_for_so_many_updates_and_moves_with_the_next(
    start: Start, rows: Any
) -> None:
    training = start(rows=rows, sides=BOTH, thaw_at=4)
    before, still = training.weights(), training.update(4)
    assert same(before, still, SOURCE) and same(before, still, TARGET)
    assert not same(before, still, OTHER)
    moved = training.update()
    assert not same(before, moved, SOURCE) and not same(before, moved, TARGET)


def test_until_it_is_thawed_a_table_is_as_good_as_frozen(start: Start, rows: Any) -> None:
    frozen = start(rows=rows, sides=BOTH, frozen=True).update(4)
    thawed = start(rows=rows, sides=BOTH, thaw_at=4).update(4)
    assert all(same(frozen, thawed, name) for name in frozen)


def test_a_learning_rate_of_its_own_scales_the_steps_of_the_table(start: Start, rows: Any) -> None:
    before = start(rows=rows).weights()
    steps = {}
    for rate in (1.0, 0.1):
        training = start(rows=rows, sides=("source",), learning_rate=rate)
        assert all(same(before, training.weights(), name) for name in before)
        # The first update's learning rate is 0: it warms up from there.
        steps[rate] = training.update(2)[SOURCE] - before[SOURCE]
    moved = steps[1.0].abs() > 1e-6
    ratio = (steps[0.1][moved] / steps[1.0][moved]).median()
    assert float(ratio) == pytest.approx(0.1, rel=0.05)


def test_one_side_leaves_the_other_table_as_a_plain_model_has_it(start: Start, rows: Any) -> None:
    plain, training = start().weights(), start(rows={"source": rows["source"]}, sides=("source",))
    before = training.weights()
    assert not same(plain, before, SOURCE)
    assert all(same(plain, before, name) for name in plain if name != SOURCE)


@pytest.mark.parametrize(
    ("tying", "names"),
    [("none", 3), ("decoder", 2), ("all", 1)],
)
def test_tying_shares_storage(start: Start, rows: Any, tying: str, names: int) -> None:
    training = start(rows=rows, sides=BOTH, tying=tying)
    training.update(2)
    model: Any = training.model
    tables = (embedding_table(model, "source"), embedding_table(model, "target"))
    storages = {table.weight.data_ptr() for table in (*tables, model.decoder.output_projection)}
    assert len(storages) == names
    weights = training.weights()
    assert same({"x": weights[OUTPUT]}, {"x": weights[TARGET]}, "x") == (tying != "none")


def test_all_arms_start_from_the_same_other_weights(start: Start, rows: Any) -> None:
    plain = start()
    for tables in (
        {"rows": rows, "sides": BOTH, "frozen": True},
        {"rows": rows, "sides": BOTH, "learning_rate": 0.5},
        {"tying": "decoder"},
        {"tying": "all"},
    ):
        arm = start(**tables)
        assert arm.task.arms[0].initial_weights == plain.task.arms[0].initial_weights
        one, other = plain.weights(), arm.weights()
        assert all(same(one, other, name) for name in one.keys() - {SOURCE, TARGET, OUTPUT})


def test_rows_of_another_width_are_projected_and_both_learn(
    start: Start, rows: Any, tmp_path: Path
) -> None:
    wide = {}
    for side, path in rows.items():
        indices, _ = values_of(path)
        values = torch.nn.functional.normalize(torch.randn(len(indices), 24), dim=1)
        wide[side] = str(tmp_path / f"{side}.npz")
        np.savez(wide[side], indices=indices - SPECIAL_SYMBOLS, values=values)
    training = start(rows=wide, sides=BOTH, projection=True)
    before = training.weights()
    assert before[SOURCE].shape == start().weights()[SOURCE].shape
    lengths = before[SOURCE].norm(dim=1)
    assert float(lengths[SPECIAL_SYMBOLS:].mean()) == pytest.approx(1, rel=0.1)
    learnt = {name: value.clone() for name, value in training.model.state_dict().items()}
    training.update(3)
    now = training.model.state_dict()
    for part in ("original", "0.projection"):
        name = f"encoder.embed_tokens.parametrizations.weight.{part}"
        assert not same(learnt, now, name)
    frozen = start(rows=wide, sides=BOTH, projection=True, frozen=True)
    learnt = {name: value.clone() for name, value in frozen.model.state_dict().items()}
    frozen.update(3)
    now = frozen.model.state_dict()
    assert same(learnt, now, "encoder.embed_tokens.parametrizations.weight.original")
    assert not same(learnt, now, "encoder.embed_tokens.parametrizations.weight.0.projection")


ARMS = """\
  thawed: {vectors: word2vec, tuning: thawed, thaw_at: 30}
  slow: {vectors: word2vec, learning_rate: 0.1}
  projected: {vectors: word2vec, dimension: projection}
  tied: {vectors: joint, tying: all}
  own: {vectors: own}
baseline: random
"""
OWN = (
    "  word2vec: {epochs: 2}",
    "  word2vec: {epochs: 2}\n  own: {epochs: 2, text: sample}\n  joint: {epochs: 2, joint: true}",
)


def test_arms_of_every_kind_run_and_load_without_vectors(new_run: NewRun) -> None:
    run = new_run(("baseline: random\n", ARMS), OWN)
    arms = ("random", "thawed", "slow", "projected", "tied", "own")
    cells = [part for arm in arms for part in ("--cell", f"200-{arm}-s1")]
    result = run.call("run", *cells)
    assert result.returncode == 0, result.stderr
    records = {arm: run.workspace.record(run.pipeline.train(run.cell(200, arm))) for arm in arms}
    assert len({record["pairing"]["initial_weights"] for record in records.values()}) == 1
    plain = None
    for arm in arms:
        folder = run.workspace.path(run.pipeline.train(run.cell(200, arm)))
        model = checkpoint_utils.load_checkpoint_to_cpu(str(folder / "checkpoint_best.pt"))["model"]
        shapes = {name: tuple(weight.shape) for name, weight in model.items()}
        plain = plain or shapes
        assert shapes == plain
    assert run.call("report").returncode == 0


@pytest.mark.parametrize("arm", ["thawed", "slow"])
def test_arms_resume_to_the_last_digit(new_run: NewRun, tmp_path: Path, arm: str) -> None:
    """Cut by a smaller budget after 20 updates, before the thaw, and then trained on."""
    whole = new_run(("baseline: random\n", ARMS), OWN)
    step = whole.pipeline.train(whole.cell(200, arm))
    assert whole.call("run", "--cell", f"200-{arm}-s1").returncode == 0
    record = whole.workspace.record(step)

    cut = Run(whole.file, tmp_path / "cut", whole.mirror)
    killed = cut.kill_at_checkpoint(step, "--cell", f"200-{arm}-s1")
    assert killed == -9
    assert cut.call("run", "--cell", f"200-{arm}-s1").returncode == 0
    again = cut.workspace.record(step)
    assert (again["weights"], again["valid"]) == (record["weights"], record["valid"])
