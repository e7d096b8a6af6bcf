"""Features: states of a network beside the model, without a look ahead, and their control."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq import utils
from torch import Tensor

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.model import checkpoint
from nmt_ablation.model.transformer import layer_states, losses
from nmt_ablation.training.record import Trained
from nmt_ablation.transfer.features import Fed, features_of
from nmt_ablation.transfer.fused import Fused
from nmt_ablation.transfer.start import Transfer
from nmt_ablation.translation.generator import Generator, WithFeatures
from tests.conftest import NewRun, Run, tiny
from tests.slow import TRAINING
from tests.stepwise import Stepwise

ELMO = Fed("source", "encoder", ("earlier", "later"), enters="beside", tuned=False, seed=7)
MASKED = Fed("source", "encoder", ("all",), enters="instead", tuned=True, seed=8)
CAUSAL = Fed("target", "decoder", ("earlier",), enters="beside", tuned=False, seed=9)
FORWARD = Fed("target", "encoder", ("earlier",), enters="instead", tuned=True, seed=9)
FUSED = Fed("source", "encoder", ("all",), enters="fused", tuned=False, seed=6)
FED = {
    "elmo": (ELMO,),
    "masked": (MASKED,),
    "causal": (CAUSAL,),
    "both": (ELMO, FORWARD),
    "fused": (FUSED,),
}


@pytest.fixture(scope="module", params=FED)
def training(
    request: pytest.FixtureRequest, finished: Run, tmp_path_factory: pytest.TempPathFactory
) -> Stepwise:
    """A model that is fed, and one of the same shape that isn't; both have learnt a little."""
    folder = tmp_path_factory.mktemp(request.param)
    # Models that attend to features are computed alone.
    others = () if request.param == "fused" else (Transfer(),)
    found = Stepwise(finished, folder, Transfer(features=FED[request.param]), *others)
    found.update(5)
    for model in found.task.models:
        for features in features_of(model):
            features.mix.data += torch.randn_like(features.mix)
        model.double().eval().zero_grad()
    return found


def _batch(training: Stepwise) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(training.epoch.next_epoch_itr(shuffle=False)))
    return found


def test_the_fast_transformer_is_fairseqs_with_features_too(training: Stepwise) -> None:
    """fairseq calls the embeddings as a module; ours reads their weights, for several models."""
    batch, models = _batch(training), training.task.models
    inputs, padding = batch["net_input"], training.task.target_dictionary.pad()
    arguments = (
        *(inputs["src_tokens"], inputs["prev_output_tokens"], batch["target"]),
        *(padding, 0.0, torch.float64),
    )
    ours = losses(models, *arguments)[0]
    for model, found in zip(models, ours, strict=True):
        logits, _ = model(**inputs)
        theirs = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch["target"].flatten(), ignore_index=padding, reduction="sum"
        )
        assert float(found) == pytest.approx(float(theirs), rel=1e-6)
    torch.autograd.backward(ours.sum())
    (features, *_) = features_of(models[0])
    for weight in (features.mix, features.gain, features.projection):
        assert weight.grad is not None and weight.grad.abs().sum() > 0
    learns = any(it.grad is not None for it in features.network.parameters())
    assert learns == features.fed.tuned
    for model in models:
        model.zero_grad()


def test_a_later_token_changes_no_earlier_prediction(training: Stepwise) -> None:
    model, inputs = training.model, _batch(training)["net_input"]
    before, _ = model(**inputs)
    previous = inputs["prev_output_tokens"].clone()
    previous[:, 4:] = torch.where(previous[:, 4:] > 3, 4 + (previous[:, 4:] % 7), previous[:, 4:])
    assert (previous != inputs["prev_output_tokens"]).any()
    after, _ = model(**{**inputs, "prev_output_tokens": previous})
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4:], after[:, 4:])


def test_states_that_are_kept_are_those_that_are_computed(
    training: Stepwise, tmp_path: Path
) -> None:
    batch = _batch(training)
    for features in features_of(training.model):
        side = features.fed.side
        tokens = batch["net_input"]["src_tokens" if side == "source" else "prev_output_tokens"]
        there = tokens != features.padding
        before = features(tokens)[there]
        rows = [row[row != features.padding] for row in tokens]
        features.keep(rows, torch.float64, tmp_path)
        assert bool(features.kept) != features.fed.tuned
        assert not list(tmp_path.iterdir())  # the file goes with the process
        assert torch.allclose(features(tokens)[there], before, atol=1e-2)  # half precision
        if features.fed.tuned:
            continue
        # They are used: the network has no say any more, but for sentences that are new.
        weights = [it.clone() for it in features.network.parameters()]
        for weight in features.network.parameters():
            weight.data.zero_()
        assert torch.allclose(features(tokens)[there], before, atol=1e-2)
        shorter = features(tokens[:, :4])[there[:, :4]]
        assert not torch.allclose(shorter, features(tokens)[:, :4][there[:, :4]], atol=1e-3)
        for weight, old in zip(features.network.parameters(), weights, strict=True):
            weight.data.copy_(old)
        features.kept = None


def test_a_language_model_reads_as_it_has_learnt(training: Stepwise) -> None:
    """The forward direction sees a token and those before it, behind a symbol that begins."""
    found = [it for it in features_of(training.model) if it.fed is ELMO]
    for features in found:
        sentence = torch.tensor([[17, 9, 30, 2]])
        padded = torch.tensor([[1, 1, 17, 9, 30, 2], [12, 8, 5, 6, 7, 2]])
        read = torch.tensor([[2, 17, 9, 30, 2]])
        views = [
            layer_states(features.network, read, 1, torch.float64, sees)[:, :, 1:]
            for sees in ("earlier", "later")
        ]
        normal = [torch.nn.functional.layer_norm(it, it.shape[-1:]) for it in views]
        shares = features.mix.softmax(0)[:, None, None, None]
        expected = features.gain * ((torch.cat(normal, 3) * shares).sum(0) @ features.projection)
        assert torch.allclose(features(sentence), expected, atol=1e-9)
        assert torch.allclose(features(padded)[0, 2:], expected[0], atol=1e-9)


def test_a_frozen_network_has_no_dropout(training: Stepwise) -> None:
    tokens = torch.tensor([[2, 17, 9, 30]])
    training.model.train()
    for features in features_of(training.model):
        assert torch.equal(features(tokens), features(tokens)) != features.fed.tuned
    training.model.eval()


def test_drop_net_uses_one_of_both_attentions_while_it_trains(training: Stepwise) -> None:
    fused = [it for it in training.model.modules() if isinstance(it, Fused)]
    is_fused = any(it.fed is FUSED for it in features_of(training.model))
    assert len(fused) == (2 if is_fused else 0)  # a layer of the encoder, and one of the decoder
    for one in fused:
        assert one.shares == (0.5, 0.5)
        training.model.train()
        drawn = []
        for one.features.update in range(200):
            assert one.shares == one.shares
            drawn.append(one.shares)
        assert set(drawn) == {(1.0, 0.0), (0.0, 1.0)}
        assert 70 < drawn.count((1.0, 0.0)) < 130
        training.model.eval()
    if is_fused:
        encoder, decoder = fused
        training.model.train()
        both = []
        for encoder.features.update in range(50):
            both.append(encoder.shares == decoder.shares)
        assert 5 < sum(both) < 45
        training.model.eval()


def _hypotheses(engine: Generator, sentences: list[list[str]], beam: int) -> list[list[str]]:
    return engine.translate(sentences, beam, 1.0, lambda *_: None)


def _greedy(model: Any, tokens: Tensor, length: int) -> list[int]:
    """Return the likeliest next tokens, one after another; the end only at the end."""
    found: list[int] = []
    inputs = {"src_tokens": tokens, "src_lengths": torch.tensor([tokens.shape[1]])}
    for _ in range(length):
        logits = model(**inputs, prev_output_tokens=torch.tensor([[2, *found]]))[0][0, -1]
        logits[[1, *([2] if not found else [])]] = -torch.inf
        found.append(int(logits.argmax()))
    return found


@pytest.mark.parametrize("beam", [1, 4])
def test_translations_are_those_of_fairseqs_usual_search(training: Stepwise, beam: int) -> None:
    """fairseq keeps states of the prefix; with target features, the whole prefix is read again."""
    task, batch = training.task, _batch(training)
    dictionary = task.source_dictionary
    rows = [row[row != dictionary.pad()][:-1] for row in batch["net_input"]["src_tokens"]][:8]
    sentences = [[dictionary[index] for index in row] for row in rows]
    for model in task.models:
        model.float()
    generator = task.build_generator(
        [training.model], SimpleNamespace(beam=beam, max_len_a=1.2, max_len_b=10)
    )
    fed = [it.fed for it in features_of(training.model)]
    of_source = all(it.side == "source" for it in fed)
    for number, sentence in enumerate(sentences):
        engine = Generator(training.model, dictionary, task.target_dictionary)
        (ours,) = _hypotheses(engine, [sentence], beam)
        if beam > 1 and FUSED in fed:
            break  # the usual search loses features on the way
        tokens = torch.tensor([[*rows[number].tolist(), dictionary.eos()]])
        inputs = {"src_tokens": tokens, "src_lengths": torch.tensor([tokens.shape[1]])}
        best = task.inference_step(generator, [training.model], {"net_input": inputs})[0][0]
        theirs = utils.strip_pad(best["tokens"], dictionary.pad()).tolist()[:-1]
        if not of_source:
            if beam > 1:
                continue
            theirs = _greedy(training.model, tokens, len(ours))
        assert ours == [task.target_dictionary[it] for it in theirs]
    for model in task.models:
        model.double()


def test_a_search_keeps_features_with_their_sentences(training: Stepwise) -> None:
    model, inputs = training.model, _batch(training)["net_input"]
    (features, *_) = features_of(model)
    if features.fed is not FUSED:
        return
    sources, lengths, previous = (
        inputs[name][:3] for name in ("src_tokens", "src_lengths", "prev_output_tokens")
    )
    encoder, order = WithFeatures(model.encoder, features), torch.tensor([2, 2, 0, 1])
    found = encoder.reorder_encoder_out(encoder(sources, lengths), order)
    features.states = None
    ours = model.decoder(previous[order], encoder_out=found)[0]
    theirs = model(sources[order], lengths[order], previous[order])[0]
    there = previous[order] != features.padding
    assert torch.allclose(ours[there], theirs[there], atol=1e-9)
    assert not torch.allclose(ours[1][there[1]], theirs[2][there[1]], atol=1e-3)


JOINT = ("fit_on: monolingual", "fit_on: monolingual, joint: true")
NETWORKS = (
    "  word2vec: {kind: word2vec, epochs: 2}\n",
    """\
  word2vec: {kind: word2vec, epochs: 2}
  bilm: {kind: network, objective: bidirectional-lm, updates: 30, batch_tokens: 256}
  lm: {kind: network, objective: causal-lm, languages: target, updates: 30, batch_tokens: 256}
  bart: {kind: network, objective: denoising, updates: 30, batch_tokens: 256}
""",
)
ARMS = (
    "baseline: random",
    """\
  elmo: {features: {source: bilm}}
  noise: {features: {source: {of: bilm, control: random}}}
  tuned: {features: {source: {of: bart, enters: instead, tuned: true}}}
  both: {features: {source: bilm, target: lm}, start: {layers: bart}}
  fused: {features: {source: {of: bart, enters: fused}}}
baseline: random""",
)
OF_ARMS = ("random", "elmo", "noise", "tuned", "both", "fused")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mirror: Path, prepared_module: None) -> Run:
    """A run of arms with features."""
    run = tiny(tmp_path_factory.mktemp("features"), mirror, JOINT, NETWORKS, ARMS)
    cells = [part for arm in OF_ARMS for part in ("--cell", f"50-{arm}-s1")]
    result = run.call("run", *cells)
    assert result.returncode == 0, result.stderr
    return run


def _record(run: Run, arm: str) -> Trained:
    return run.workspace.record(run.pipeline.train(run.cell(50, arm)))


def _weights(run: Run, arm: str) -> dict[str, Tensor]:
    file = run.workspace.file(run.pipeline.train(run.cell(50, arm)).checkpoint)
    found: dict[str, Tensor] = checkpoint.read(file)["model"]
    return found


def test_arms_are_paired_and_a_frozen_network_stays(trained: Run) -> None:
    records = {arm: _record(trained, arm) for arm in OF_ARMS}
    assert len({record.initial_weights for record in records.values()}) == 1
    assert len({tuple(record.batches.items()) for record in records.values()}) == 1
    assert len({record.weights for record in records.values()}) == len(OF_ARMS)
    stem = "encoder.embed_tokens.features.network."
    kept = {
        arm: {
            name.removeprefix(stem): it
            for name, it in _weights(trained, arm).items()
            if stem in name
        }
        for arm in ("elmo", "noise", "tuned")
    }
    files = {"elmo": "bilm", "tuned": "bart"}
    for arm, name in files.items():
        network = checkpoint.read(
            trained.workspace.file(trained.pipeline.network(name, 50, 1).weights)
        )["model"]
        same = [
            torch.equal(it, network[f"encoder.{of}"])
            for of, it in kept[arm].items()
            if "weight" in of
        ]
        assert all(same) == (arm == "elmo")
    assert kept["noise"].keys() == kept["elmo"].keys()
    assert not torch.equal(
        kept["noise"]["embed_tokens.weight"], kept["elmo"]["embed_tokens.weight"]
    )
    drawn = _weights(trained, "noise")["encoder.embed_tokens.weight"]
    assert not torch.allclose(kept["noise"]["embed_tokens.weight"], drawn, atol=0.5)
    assert _weights(trained, "elmo")["encoder.embed_tokens.features.mix"].abs().sum() > 0


def test_the_control_needs_no_network_and_the_others_wait_for_theirs(trained: Run) -> None:
    needed = {arm: set(trained.pipeline.networks_of([trained.cell(50, arm)])) for arm in OF_ARMS}
    assert needed == {
        "random": set(),
        "elmo": {"network-bilm"},
        "noise": set(),
        "tuned": {"network-bart"},
        "both": {"network-bilm", "network-lm", "network-bart"},
        "fused": {"network-bart"},
    }


@pytest.mark.slow(*TRAINING)
def test_killed_and_resumed_or_together_it_is_the_same(trained: Run, tmp_path: Path) -> None:
    other = Run(trained.file, tmp_path / "again", trained.mirror)
    for arm in ("elmo", "fused"):
        stage = other.pipeline.train(other.cell(50, arm))
        other.kill_at_checkpoint(stage, f"--cell=50-{arm}-s1")
        assert other.call("run", f"--cell=50-{arm}-s1").returncode == 0
        assert _record(other, arm).weights == _record(trained, arm).weights
    both = Run(trained.file, tmp_path / "both", trained.mirror)
    cells = [f"--cell=50-{arm}-s1" for arm in ("random", "noise")]
    assert both.call("run", "--together", *cells).returncode == 0
    for arm in ("random", "noise"):
        ours, alone = _record(both, arm), _record(trained, arm)
        assert ours.together == 2
        assert [it.loss for it in ours.validations] == pytest.approx(
            [it.loss for it in alone.validations], abs=0.02
        )


def test_the_report_names_what_feeds_what(trained: Run) -> None:
    result = trained.call("report")
    assert result.returncode == 0, result.stderr
    text = (trained.workspace_root / "tiny" / "report" / "tiny.md").read_text()
    assert "features beside source-embeddings" in text
    assert "random features beside source-embeddings" in text
    assert "tuned features instead source-embeddings" in text
    assert re.search(r"^\| bilm \| bidirectional-lm ", text, re.MULTILINE)


MISTAKES = {
    "no such thing": ("{source: bilm}", "{source: elm}", "nothing pretrained is called 'elm'"),
    "another kind": ("{source: bilm}", "{source: word2vec}", "kind word2vec, which has no states"),
    "a decoder's": ("{source: bilm}", "{source: lm}", "no encoder that learned"),
    "a look ahead": ("target: lm}", "target: bart}", "would see the tokens to predict"),
    "another language": ("languages: target", "languages: source", "has learned no text in en"),
    "how": ("enters: instead", "enters: above", "'beside', 'instead' or 'fused'"),
    "fused": (
        "target: lm}",
        "target: {of: lm, enters: fused}}",
        "fused is for the source only; set",
    ),
    "processes": ("patience: 2", "patience: 2\n  processes: 2", "one process only"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_says_the_remedy(new_run: NewRun, mistake: str) -> None:
    old, new, words = MISTAKES[mistake]
    run = new_run(JOINT, NETWORKS, ARMS)
    text = run.file.read_text()
    assert old in text
    run.file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        load(run.file)
    assert words in str(error.value), error.value
    assert re.search(r"tiny.yaml:\d+: ", str(error.value))


def test_as_plain_values_features_are_the_same() -> None:
    for fed in (ELMO, MASKED, CAUSAL, FUSED):
        assert Fed.of(fed.plain()) == fed
