"""An arm is what it says: looked at on the tensors, update by update, in real trainings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.model.parts import PARTS, SUMS, Part, PartName, Place, place_of
from nmt_ablation.training.validation import batch_losses
from nmt_ablation.transfer.start import Transfer, embeddings
from nmt_ablation.transfer.tuning import TUNINGS, Tuned
from nmt_ablation.values import Side
from tests.conftest import NewRun, Run
from tests.stepwise import FROZEN, Stepwise, same, tuning

SOURCE, TARGET = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
OUTPUT = "decoder.output_projection.weight"
OTHER = "encoder.layers.0.fc1.weight"


Start = Any


@pytest.fixture
def start(finished: Run, tmp_path: Path) -> Start:
    """Makes a training whose model has some shape."""

    def make(**transfer: Any) -> Stepwise:
        # Where weights decay, what is frozen without a gradient would give itself away.
        return Stepwise(finished, tmp_path, Transfer(**transfer), weight_decay=0.1)

    return make


@pytest.fixture
def rows(finished: Run) -> dict[Side, Path]:
    """The vectors of both sides in the finished run."""
    stage = finished.pipeline.train(finished.cell(200, "frozen"))
    return {side: finished.workspace.file(of.rows) for side, of in stage.rows.items()}


def values_of(path: Path) -> tuple[Tensor, Tensor]:
    with np.load(path) as file:
        return torch.from_numpy(file["indices"]) + SPECIAL_SYMBOLS, torch.from_numpy(file["values"])


def test_frozen_is_equal_to_the_bit_and_the_rest_learns(start: Start, rows: Any) -> None:
    training = start(rows=rows, tuning=FROZEN)
    before, after = training.weights(), training.update(5)
    for name, side in ((SOURCE, "source"), (TARGET, "target")):
        indices, values = values_of(rows[side])
        assert torch.equal(before[name][indices], values)
        assert same(before, after, name)
    assert not same(before, after, OTHER)


def test_frozen_without_vectors_keeps_the_random_rows(start: Start) -> None:
    plain = start().weights()
    training = start(tuning=tuning("source-embeddings", frozen=True))
    before, after = training.weights(), training.update(5)
    assert all(same(plain, before, name) for name in plain)
    assert same(before, after, SOURCE)
    assert not same(before, after, TARGET)


def test_unfrozen_stands_still_for_so_many_updates_and_moves_with_the_next(
    start: Start, rows: Any
) -> None:
    training = start(rows=rows, tuning=tuning("embeddings", unfreeze=4))
    before, still = training.weights(), training.update(4)
    assert same(before, still, SOURCE) and same(before, still, TARGET)
    assert not same(before, still, OTHER)
    moved = training.update()
    assert not same(before, moved, SOURCE) and not same(before, moved, TARGET)


def test_until_they_are_unfrozen_embeddings_are_as_good_as_frozen(start: Start, rows: Any) -> None:
    frozen = start(rows=rows, tuning=FROZEN).update(4)
    unfrozen = start(rows=rows, tuning=tuning("embeddings", unfreeze=4)).update(4)
    assert all(same(frozen, unfrozen, name) for name in frozen)


def test_tuned_weights_move_as_in_a_parameter_group_of_torch(
    finished: Run, rows: Any, tmp_path: Path
) -> None:
    """50 updates with weight decay and clipping, beside torch's own AdamW and clipping."""
    # Rates, decay by depth and unfreezing at once, so that groups differ and change on the way.
    ways = tuning("encoder", rate=0.3, decay=0.4) | tuning("target-embeddings", unfreeze=20)
    options: dict[str, Any] = {
        "weight_decay": 0.1,
        "batch_tokens": 64,
        "max_updates": 99,
        "validate_every": 99,
    }
    transfer = Transfer(rows=rows, tuning=ways)
    ours, plain = (Stepwise(finished, tmp_path, transfer, **options) for _ in range(2))
    assert float(ours.trainer.cfg.optimization.clip_norm) > 0
    model, training = plain.model, plain.task.plan.training
    weights = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [weight], "name": name} for name, weight in weights.items()],
        betas=(0.9, 0.98),
        weight_decay=0.1,
    )
    norms = []
    for update in range(50):
        rate = ours.trainer.get_lr()
        batch = next(plain.batches)
        ours.update()
        torch.manual_seed(plain.task.plan.seed + update)
        model.train()
        loss, _ = batch_losses([model], batch, plain.task.target_dictionary, training)
        optimizer.zero_grad()
        torch.autograd.backward(loss.sum() / batch["ntokens"])
        for group in optimizer.param_groups:
            tuned = getattr(weights[group["name"]], "tuned", None)
            multiplier = tuned.multiplier(update) if tuned else 1
            group["lr"] = rate * multiplier
            if multiplier == 0:
                weights[group["name"]].grad = None
        norms.append(float(torch.nn.utils.clip_grad_norm_(weights.values(), training.clip_norm)))
        optimizer.step()
    assert any(norm > training.clip_norm for norm in norms)
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    now, expected = ours.weights(), model.state_dict()
    # Biases of keys add the same to all scores: their gradients are rounding, which Adam scales.
    for name in (name for name in weights if not name.endswith("k_proj.bias")):
        assert torch.allclose(now[name], expected[name], rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("part", PARTS)
def test_any_part_can_be_frozen_to_the_bit(start: Start, part: Part) -> None:
    training = start(tuning=tuning(part, frozen=True))
    before = training.weights()
    after = training.update(5)
    for name in _weights(before):
        frozen = place_of(name, 1, 1).part == part
        # A bias of keys has no gradient: it adds the same to all scores.
        assert same(before, after, name) == frozen or name.endswith("k_proj.bias"), name


@pytest.fixture
def network(start: Start, tmp_path: Path) -> Path:
    """A network of the model's shape whose weights are all others."""
    training = start()
    torch.manual_seed(9)
    weights = {name: torch.randn_like(weight) for name, weight in training.weights().items()}
    path = tmp_path / "network.pt"
    checkpoint.write(path, weights, training.task.plan.configuration, 1)
    return path


@pytest.mark.parametrize("name", SUMS)
def test_what_starts_from_a_network_is_the_network_s_and_all_else_is_random(
    start: Start, network: Path, name: PartName
) -> None:
    plain, theirs = start().weights(), checkpoint.read(network)["model"]
    weights = start(networks=dict.fromkeys(SUMS[name], network)).weights()
    for weight in _weights(weights):
        expected = theirs if place_of(weight, 1, 1).part in SUMS[name] else plain
        assert same(weights, expected, weight), weight


@pytest.mark.parametrize(
    ("name", "way"),
    [
        (name, way)
        for name in SUMS
        for way in ("frozen", "unfreeze", "rate")
        if (name, way) != ("model", "frozen")  # which no experiment may ask for
    ],
)
def test_what_starts_from_a_network_is_tuned_like_anything_else(
    start: Start, network: Path, name: PartName, way: str
) -> None:
    ways = {"frozen": True, "unfreeze": 2, "rate": 0.1}
    training = start(
        networks=dict.fromkeys(SUMS[name], network), tuning=tuning(name, **{way: ways[way]})
    )
    before, after_two = training.weights(), training.update(2)
    after = training.update()
    for weight in _weights(before):
        tuned = place_of(weight, 1, 1).part in SUMS[name]
        still = tuned and way != "rate"
        assert same(before, after_two, weight) == still or weight.endswith("k_proj.bias"), weight
        still = tuned and way == "frozen"
        assert same(before, after, weight) == still or weight.endswith("k_proj.bias"), weight


def _weights(state: dict[str, Tensor]) -> list[str]:
    return [name for name in state if not ("version" in name or "embed_positions" in name)]


def test_a_slanted_triangle_rises_for_a_tenth_and_falls_to_a_32nd() -> None:
    way = TUNINGS["slanted"].model_validate(100)
    rates = [way.multiplier(Place("encoder-layers", 1, 2), update) for update in range(150)]
    assert rates[0] == pytest.approx(1 / 32) and rates[10] == 1.0
    assert rates[5] == pytest.approx((1 + 0.5 * 31) / 32)
    assert rates[55] == pytest.approx((1 + 0.5 * 31) / 32)
    assert rates[100:] == [pytest.approx(1 / 32)] * 50
    assert TUNINGS["slanted"].model_validate(1).multiplier(Place("encoder-layers", 1, 2), 0) > 0


def test_low_rank_moves_matrices_within_the_rank_and_nothing_else_of_the_part(
    start: Start, network: Path
) -> None:
    ways = tuning("layers", **{"low-rank": 3})
    training = start(networks=dict.fromkeys(SUMS["layers"], network), tuning=ways)
    before = training.weights()
    plain = start(networks=dict.fromkeys(SUMS["layers"], network)).weights()
    # At first the product is 0, so that the arm starts as the others do.
    assert before.keys() == plain.keys()
    assert all(same(before, plain, name) for name in _weights(before))
    after = training.update(8)
    moved = 0
    for name in _weights(before):
        if place_of(name, 1, 1).part not in SUMS["layers"]:
            assert not same(before, after, name)
        elif before[name].dim() == 1:
            assert same(before, after, name), name
        else:
            change = after[name] - before[name]
            assert torch.linalg.matrix_rank(change, atol=1e-5) <= 3
            moved += bool(change.abs().max() > 0)
    assert moved == 16  # 3 attentions of 4 matrices, 2 feed-forward layers of 2


@pytest.mark.parametrize("control", ["shuffled", "shuffled-weights"])
def test_a_control_has_the_same_numbers_in_other_places(
    start: Start, network: Path, control: str
) -> None:
    theirs = checkpoint.read(network)["model"]
    networks = dict.fromkeys(PARTS, network)
    first, again = (start(networks=networks, control=control).weights() for _ in range(2))
    other = start(networks=networks, control=control, seed=2).weights()
    for name in _weights(first):
        weight, rows = first[name], name in (SOURCE, TARGET, OUTPUT)
        assert same(first, again, name)
        assert torch.equal(weight.flatten().sort().values, theirs[name].flatten().sort().values)
        if rows:
            assert torch.equal(weight[:SPECIAL_SYMBOLS], theirs[name][:SPECIAL_SYMBOLS])
            own = {tuple(row) for row in theirs[name].tolist()}
            assert (control == "shuffled") == all(tuple(row) in own for row in weight.tolist())
        if rows or control == "shuffled-weights":
            assert not same(first, other, name) and not same(first, theirs, name)
        else:
            assert same(first, theirs, name)
    moved = {name: _rows_of(first[name], theirs[name]) for name in (SOURCE, TARGET, OUTPUT)}
    if control == "shuffled":
        assert moved[SOURCE] != moved[TARGET] != moved[OUTPUT]


def _rows_of(weight: Tensor, network: Tensor) -> list[int]:
    """Return the network's row that each row of a weight is."""
    places = {tuple(row): number for number, row in enumerate(network.tolist())}
    return [places.get(tuple(row), -1) for row in weight.tolist()]


@pytest.mark.parametrize("tying", ["decoder", "all"])
def test_a_tied_model_starts_from_a_network_as_a_whole(
    start: Start, network: Path, tying: str
) -> None:
    theirs = checkpoint.read(network)["model"]
    training = start(networks=dict.fromkeys(PARTS, network), tying=tying)
    weights = training.weights()
    assert torch.equal(weights[OUTPUT], theirs[TARGET])
    assert torch.equal(weights[SOURCE], theirs[TARGET if tying == "all" else SOURCE])


def test_gradual_unfreezing_goes_from_the_top_down() -> None:
    gradual = TUNINGS["gradual"].model_validate(10)
    for depth, begins in ((2, 0), (1, 10), (0, 20)):
        place = Place("encoder-layers", depth, 2)
        moves = [gradual.multiplier(place, update) > 0 for update in range(30)]
        assert moves == [update >= begins for update in range(30)]


def test_ways_of_tuning_multiply() -> None:
    ways = tuning("decoder", rate=0.5, decay=0.4, unfreeze=3)["decoder-layers"]
    tuned = Tuned(ways, Place("decoder-layers", 1, 3))
    assert [tuned.multiplier(update) for update in (2, 3)] == [0, pytest.approx(0.5 * 0.4**2)]


@pytest.mark.parametrize(
    ("name", "part", "depth"),
    [
        (SOURCE, "source-embeddings", 0),
        ("encoder.embed_tokens.parametrizations.weight.original", "source-embeddings", 0),
        ("encoder.layers.0.fc1.weight", "encoder-layers", 1),
        ("encoder.layer_norm.weight", "encoder-layers", 4),
        (TARGET, "target-embeddings", 0),
        ("decoder.layers.1.encoder_attn.k_proj.bias", "cross-attention", 2),
        ("decoder.layers.0.encoder_attn_layer_norm.weight", "cross-attention", 1),
        ("decoder.layers.0.self_attn_layer_norm.weight", "decoder-layers", 1),
        ("decoder.layer_norm.bias", "decoder-layers", 2),
        (OUTPUT, "output-layer", 2),
    ],
)
def test_every_weight_has_its_place(name: str, part: str, depth: int) -> None:
    place = place_of(name, encoder_layers=4, decoder_layers=2)
    assert (place.part, place.depth) == (part, depth)


def test_one_side_leaves_the_other_table_as_a_plain_model_has_it(start: Start, rows: Any) -> None:
    plain, training = start().weights(), start(rows={"source": rows["source"]})
    before = training.weights()
    assert not same(plain, before, SOURCE)
    assert all(same(plain, before, name) for name in plain if name != SOURCE)


@pytest.mark.parametrize(
    ("tying", "names"),
    [("none", 3), ("decoder", 2), ("all", 1)],
)
def test_tying_shares_storage(start: Start, rows: Any, tying: str, names: int) -> None:
    training = start(rows=rows, tying=tying)
    training.update(2)
    model: Any = training.model
    tables = (embeddings(model, "source"), embeddings(model, "target"))
    storages = {table.weight.data_ptr() for table in (*tables, model.decoder.output_projection)}
    assert len(storages) == names
    weights = training.weights()
    assert same({"x": weights[OUTPUT]}, {"x": weights[TARGET]}, "x") == (tying != "none")


def test_all_arms_start_from_the_same_other_weights(start: Start, rows: Any) -> None:
    plain = start()
    for transfer in (
        {"rows": rows, "tuning": FROZEN},
        {"rows": rows, "tuning": tuning("model", rate=0.5)},
        {"tying": "decoder"},
        {"tying": "all"},
    ):
        arm = start(**transfer)
        assert (
            arm.task.training.arms[0].initial_weights == plain.task.training.arms[0].initial_weights
        )
        one, other = plain.weights(), arm.weights()
        assert all(same(one, other, name) for name in one.keys() - {SOURCE, TARGET, OUTPUT})


def test_rows_of_another_width_are_projected_and_both_learn(
    start: Start, rows: Any, tmp_path: Path
) -> None:
    wide = {}
    for side, path in rows.items():
        indices, _ = values_of(path)
        values = torch.nn.functional.normalize(torch.randn(len(indices), 24), dim=1)
        wide[side] = tmp_path / f"{side}.npz"
        np.savez(wide[side], indices=indices - SPECIAL_SYMBOLS, values=values)
    training = start(rows=wide, projection=True)
    before = training.weights()
    assert before[SOURCE].shape == start().weights()[SOURCE].shape
    lengths = before[SOURCE].norm(dim=1)
    assert float(lengths[SPECIAL_SYMBOLS:].mean()) == pytest.approx(1, rel=0.1)
    learned = {name: value.clone() for name, value in training.model.state_dict().items()}
    training.update(3)
    now = training.model.state_dict()
    for part in ("original", "0.projection"):
        name = f"encoder.embed_tokens.parametrizations.weight.{part}"
        assert not same(learned, now, name)
    frozen = start(rows=wide, projection=True, tuning=FROZEN)
    learned = {name: value.clone() for name, value in frozen.model.state_dict().items()}
    frozen.update(3)
    now = frozen.model.state_dict()
    assert same(learned, now, "encoder.embed_tokens.parametrizations.weight.original")
    assert not same(learned, now, "encoder.embed_tokens.parametrizations.weight.0.projection")


ARMS = """\
  unfrozen: {start: {embeddings: word2vec}, tuning: {embeddings: {unfreeze: 30}}}
  slow: {start: {embeddings: word2vec}, tuning: {embeddings: {rate: 0.1}}}
  gradual: {tuning: {model: {gradual: 15, decay: 0.5}}}
  low-rank: {tuning: {layers: {low-rank: 2, slanted: 40}}}
  projected: {start: {embeddings: word2vec}, dimension: projection}
  tied: {start: {embeddings: joint}, tying: all}
  own: {start: {embeddings: own}}
  two: {start: {source-embeddings: own, target-embeddings: word2vec}}
baseline: random
"""
WORD2VEC = "  word2vec: {kind: word2vec, epochs: 2}"
OWN = (
    WORD2VEC,
    f"""{WORD2VEC}
  own: {{kind: word2vec, epochs: 2, text: sample}}
  joint: {{kind: word2vec, epochs: 2, joint: true}}""",
)


def test_arms_of_every_kind_run_and_load_without_vectors(new_run: NewRun) -> None:
    run = new_run(("baseline: random\n", ARMS), OWN)
    arms = ("random", "slow", "low-rank", "projected", "tied", "own", "two")
    cells = [part for arm in arms for part in ("--cell", f"200-{arm}-s1")]
    result = run.call("run", *cells)
    assert result.returncode == 0, result.stderr
    records = {arm: run.workspace.record(run.pipeline.train(run.cell(200, arm))) for arm in arms}
    assert len({record.initial_weights for record in records.values()}) == 1
    plain = None
    for arm in arms:
        path = run.workspace.file(run.pipeline.train(run.cell(200, arm)).checkpoint)
        model = checkpoint.read(path)["model"]
        shapes = {name: tuple(weight.shape) for name, weight in model.items()}
        plain = plain or shapes
        assert shapes == plain
    assert run.call("report").returncode == 0


def test_arms_resume_to_the_last_digit(new_run: NewRun, tmp_path: Path) -> None:
    """Killed after 20 updates, before all is unfrozen, and then trained on."""
    whole = new_run(("baseline: random\n", ARMS), OWN)
    arms = ("unfrozen", "slow", "gradual", "low-rank")
    cells = [part for arm in arms for part in ("--cell", f"200-{arm}-s1")]
    stages = [whole.pipeline.train(whole.cell(200, arm)) for arm in arms]
    assert whole.call("run", "--together", *cells).returncode == 0

    cut = Run(whole.file, tmp_path / "cut", whole.mirror)
    assert cut.kill_at_checkpoint(stages[0], "--together", *cells) == -9
    assert cut.call("run", "--together", *cells).returncode == 0
    for stage in stages:
        one, other = (run.workspace.record(stage) for run in (whole, cut))
        assert (one.weights, one.validations) == (other.weights, other.validations)
