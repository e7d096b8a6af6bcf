"""A published model as the start of a translation model of its shape."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from torch.nn import functional as F

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.foreign.tokenizer import EncoderTokenizer
from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.segmentation import read_dictionary
from nmt_ablation.transfer.features import features_of
from nmt_ablation.translation.engine import load as load_model
from tests.conftest import NewRun, Run
from tests.test_encoder_arms import save_encoder

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

CUTS = (
    "segmentation: {type: sentencepiece-unigram, size: 300, fit_on: monolingual}",
    "segmentation: {type: checkpoint, checkpoint: bert, size: 300, fit_on: monolingual}",
)
WITHOUT = (
    ("  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}\n", ""),
    ("  finetuned: {start: {embeddings: word2vec}}\n", ""),
    (
        "  source: {start: {source-embeddings: word2vec}, tuning: {source-embeddings: frozen}}\n",
        "",
    ),
)
SHAPE = ("heads: 2}", "heads: 2, style: bert}")
ARMS = (
    "  random: {}\n",
    "  random: {}\n"
    "  encoder: {start: {encoder: bert}}\n"
    "  still: {start: {encoder: bert}, tuning: {encoder: frozen}}\n"
    "  stages: {start: {encoder: bert}, tuning: {encoder: {unfreeze: 30}}}\n"
    "  shuffled: {start: {encoder: bert}, control: shuffled-weights}\n"
    "  thin: {start: {encoder: bert}, tuning: {source-embeddings: frozen, encoder-layers: "
    "{low-rank: 2}}}\n"
    "  across: {start: {encoder: bert}, tuning: {encoder: frozen, decoder: frozen}}\n"
    "  all-rows: {start: {embeddings: bert, encoder-layers: bert, output-layer: bert}}\n",
)
NEW = ("random", "encoder", "still", "stages", "shuffled", "thin", "across", "all-rows")


@pytest.fixture
def run(new_run: NewRun, prepared: None) -> Run:
    """The tiny experiment in the shape of a tiny BERT."""
    made = new_run(
        CUTS,
        SHAPE,
        ("  word2vec: {kind: word2vec, epochs: 2}", "  bert: {kind: published, path: bert}"),
        *WITHOUT,
        ("[50, 200]", "[200]"),
        ARMS,
    )
    save_encoder(made.file.parent / "bert")
    return made


def _weights(run: Run, arm: str) -> dict[str, torch.Tensor]:
    stage = run.pipeline.train(run.cell(200, arm))
    found: dict[str, torch.Tensor] = checkpoint.read(run.workspace.file(stage.checkpoint))["model"]
    return found


def test_arms_start_from_it_and_all_else_is_the_random_arm_s(run: Run) -> None:
    result = run.call("run", *(f"--cell=200-{arm}-s1" for arm in NEW))
    assert result.returncode == 0, result.stderr
    records = {arm: run.workspace.record(run.pipeline.train(run.cell(200, arm))) for arm in NEW}
    random = records["random"]
    for arm in NEW[1:]:
        assert records[arm].batches.items() == random.batches.items()
        assert records[arm].parameters >= random.parameters
        assert records[arm].initial_weights == random.initial_weights  # before any start
        assert records[arm].weights != random.weights
    learned = {arm: records[arm].learned or 0 for arm in NEW}
    assert random.parameters == random.learned == learned["encoder"] == learned["stages"]
    assert 0 < learned["across"] < learned["still"] < learned["encoder"]
    assert learned["still"] < learned["thin"] < learned["encoder"]
    # A frozen encoder is the original's, and computes its states.
    stage = run.pipeline.train(run.cell(200, "still"))
    data = run.workspace.file(stage.binarise.data)
    model, task = load_model(run.workspace.file(stage.checkpoint), data)
    sentence = run.workspace.file(stage.binarise.segmented("train", "source")).read_text()
    tokens = sentence.splitlines()[0].split()
    ids = task.source_dictionary.encode_line(" ".join(tokens), append_eos=True).long()[None]
    folder = run.file.parent / "bert"
    original = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        ours = model.eval().encoder(ids, torch.tensor([ids.shape[1]]))["encoder_out"][0][:, 0]
        theirs = original(_rows(run, tokens)).last_hidden_state[0]
    assert (ours - theirs).abs().max() < 1e-3
    # What isn't named starts as in the random arm: frozen, it stays so.
    one, other = _weights(run, "still"), _weights(run, "encoder")
    assert not torch.equal(one["encoder.layers.0.fc1.weight"], other["encoder.layers.0.fc1.weight"])


def test_a_report_says_that_nobody_knows_what_it_has_read(run: Run, tmp_path: Path) -> None:
    assert run.call("run", "--cell=200-encoder-s1", "--cell=200-random-s1").returncode == 0
    result = run.call("report", "--out", str(tmp_path / "report"))
    assert result.returncode == 0, result.stderr
    said = (tmp_path / "report" / "tiny.md").read_text()
    assert "bert is a published model: what it has read is not known, and may hold" in said
    assert "What published encoders find" in said
    encoders = json.loads((tmp_path / "report" / "tiny.json").read_text())["encoders"]
    assert encoders == [{"name": "bert", "pairs": 20, "layers": encoders[0]["layers"]}]
    assert [it["layer"] for it in encoders[0]["layers"]] == [0, 1]


def test_tokens_that_it_lacks_start_at_random(run: Run) -> None:
    stage = run.pipeline.published("bert", 200, 1)
    run.workspace.ensure(stage)
    record = run.workspace.record(stage)
    assert record.rows["source"] <= record.tokens["source"]
    found = checkpoint.read(run.workspace.file(stage.weights))["model"]
    table = found["encoder.embed_tokens.weight"]
    dictionary = read_dictionary(run.workspace.file(stage.segmentation.dictionary("source")))
    assert len(table) == SPECIAL_SYMBOLS + len(dictionary)
    known = EncoderTokenizer(run.file.parent / "bert").rows
    for row, token in zip(table[SPECIAL_SYMBOLS:], dictionary, strict=True):
        assert bool(row.isnan().any()) == (token not in known)


FED = (
    "  random: {}\n",
    "  random: {}\n"
    "  mixed: {features: {source: bert}}\n"
    "  noise: {features: {source: {of: bert, control: random}}}\n"
    "  last: {features: {source: {of: bert, enters: instead, layer: 1}}}\n"
    "  tuned: {features: {source: {of: bert, tuned: true}}}\n",
)


@pytest.fixture
def fed(new_run: NewRun, prepared: None) -> Run:
    """The tiny experiment, of another shape than the BERT that feeds it."""
    made = new_run(
        CUTS,
        ("dimension: 16", "dimension: 24"),
        ("  word2vec: {kind: word2vec, epochs: 2}", "  bert: {kind: published, path: bert}"),
        *WITHOUT,
        ("[50, 200]", "[200]"),
        FED,
    )
    save_encoder(made.file.parent / "bert")
    return made


def test_its_states_are_features_of_a_model_of_another_shape(fed: Run) -> None:
    arms = ("random", "mixed", "noise", "last", "tuned")
    result = fed.call("run", *(f"--cell=200-{arm}-s1" for arm in arms))
    assert result.returncode == 0, result.stderr
    records = {arm: fed.workspace.record(fed.pipeline.train(fed.cell(200, arm))) for arm in arms}
    for arm in arms[1:]:
        assert records[arm].batches.items() == records["random"].batches.items()
        assert records[arm].initial_weights == records["random"].initial_weights
    assert len({it.weights for it in records.values()}) == len(arms)
    original = transformers.AutoModel.from_pretrained(fed.file.parent / "bert").eval()
    for arm in ("mixed", "last", "noise", "tuned"):
        stage = fed.pipeline.train(fed.cell(200, arm))
        data = fed.workspace.file(stage.binarise.data)
        model, task = load_model(fed.workspace.file(stage.checkpoint), data)
        (features,) = features_of(model.eval())
        line = fed.workspace.file(stage.binarise.segmented("train", "source")).read_text()
        tokens = line.splitlines()[0].split()
        ids = task.source_dictionary.encode_line(" ".join(tokens), append_eos=True).long()[None]
        rows = _rows(fed, tokens)
        with torch.no_grad():
            states = original(rows, output_hidden_states=True).hidden_states
            states = states[1:] if arm == "last" else states
            shares = torch.softmax(features.mix, 0)
            normal = [F.layer_norm(it, it.shape[-1:]) for it in states]
            mixed = sum(share * it for share, it in zip(shares, normal, strict=True))
            expected = features.gain * (mixed @ features.projection)
            found = features(ids)
        assert found.shape == (1, len(tokens) + 1, 24)
        assert ((found - expected).abs().max() < 1e-3) == (arm in ("mixed", "last"))


def test_a_decoder_has_no_features(fed: Run) -> None:
    config = transformers.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2)
    transformers.GPT2Model(config).save_pretrained(fed.file.parent / "bert")
    result = fed.call("plan")
    assert result.returncode == 1
    assert "tiny.yaml: pretrained.bert: is of type gpt2, which has no encoder" in result.stderr


def _rows(run: Run, tokens: list[str]) -> torch.Tensor:
    """The numbers of a sentence's tokens in the published model."""
    tokenizer = EncoderTokenizer(run.file.parent / "bert")
    return torch.tensor([[*(tokenizer.rows[it] for it in tokens), tokenizer.row(("[SEP]",))]])


def _edited(run: Run, edit: Any) -> Run:
    yaml = YAML()
    data = yaml.load(run.file)
    edit(data)
    yaml.dump(data, run.file)
    return run


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda it: it["model"].update(dimension=32), "set model.dimension: 16$"),
        (lambda it: it["model"].update(style="plain"), "set model.style: bert$"),
        (lambda it: it["model"].update(heads=4, feed_forward=64), "feed_forward: 32, .*heads: 2$"),
        (lambda it: it["model"].update(encoder_layers=2), "has 1 layers in its encoder, and 2 are"),
        (
            lambda it: it["arms"].update(no={"start": {"decoder-layers": "bert"}}),
            "is of type bert, which has no decoder",
        ),
    ],
    ids=["dimension", "style", "heads", "layers", "no decoder"],
)
def test_another_shape_is_refused_with_what_to_set(run: Run, edit: Any, says: str) -> None:
    changed = _edited(run, edit)
    with pytest.raises(UserError, match=rf"tiny\.yaml: pretrained\.bert: .*{says}"):
        changed.pipeline.published("bert", 200, 1)
    result = changed.call("plan")
    assert result.returncode == 1 and "pretrained.bert: " in result.stderr


def test_inspecting_the_data_reads_it_and_says_what_it_finds(run: Run) -> None:
    result = run.call("validate", "--data")
    assert result.returncode == 0, result.stderr
    assert re.search(
        r"bert: finds \d+% and \d+% of the .* by its best layer, \d of 1", result.stdout
    )
    (run.file.parent / "bert" / "model.safetensors").write_bytes(b"damaged")
    result = run.call("validate", "--data", "--workspace", f"{run.workspace_root}-2")
    assert result.returncode == 1
    assert "model.safetensors: can't be read as weights" in result.stderr.replace("\n", " ")


def test_it_needs_its_own_subwords(new_run: NewRun) -> None:
    run = new_run(
        ("  word2vec: {kind: word2vec, epochs: 2}\n", "  word2vec: {kind: published, path: it}\n")
    )
    with pytest.raises(UserError, match="knows its own subwords only; set segmentation to"):
        load(run.file)


def test_a_plan_says_what_room_states_take(fed: Run) -> None:
    planned = fed.call("plan").stdout
    # 200 sentences of 30 tokens: embeddings and a layer, 16 wide, in half precision.
    assert f"up to {200 * 30 * 2 * 16 * 2 / 1000:.1f} kB" in planned, planned
