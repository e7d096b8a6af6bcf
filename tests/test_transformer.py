"""The fast Transformer is fairseq's: the same losses, gradients and translations."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from fairseq import utils
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from torch import Tensor

from nmt_ablation.model import transformer
from nmt_ablation.model.config import STYLES, StyleName
from nmt_ablation.model.transformer import losses, objective_loss
from nmt_ablation.objectives import OBJECTIVES, Batch, PairObjective, Vocabulary
from nmt_ablation.training.sentences import SentencePairs, Sentences
from nmt_ablation.transfer.start import Transfer
from tests.conftest import Run
from tests.stepwise import Stepwise, tuning

RANKING = "translation-ranking"


@pytest.fixture(scope="module")
def training(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Stepwise:
    return _training(finished, tmp_path_factory, "plain")


@pytest.fixture(scope="module", params=STYLES)
def styled(
    request: pytest.FixtureRequest, finished: Run, tmp_path_factory: pytest.TempPathFactory
) -> Stepwise:
    return _training(finished, tmp_path_factory, request.param)


def _training(run: Run, factory: pytest.TempPathFactory, style: StyleName) -> Stepwise:
    """Two models of one shape that have learnt a little; what they learn from."""
    frozen = Transfer(seed=2, tuning=tuning("source-embeddings", frozen=True))
    both = Stepwise(run, factory.mktemp("training"), Transfer(), frozen, style=style)
    both.update(5)
    for model in both.task.models:
        for weight in model.parameters():
            weight.data += 0.1 * torch.randn_like(weight)
        # In float32 rounding would switch units of the feed-forward layers on or off.
        model.double().zero_grad()
    return both


def _ours(
    training: Stepwise,
    models: Sequence[Any],
    batch: dict[str, Any],
    dtype: torch.dtype = torch.float64,
) -> tuple[Tensor, Tensor]:
    inputs, padding = batch["net_input"], training.task.target_dictionary.pad()
    source, previous = inputs["src_tokens"], inputs["prev_output_tokens"]
    return losses(models, source, previous, batch["target"], padding, 0.1, dtype)


def _gradients(model: Any) -> dict[str, Tensor]:
    found = {name: weight.grad for name, weight in model.named_parameters()}
    model.zero_grad()
    return {name: grad.clone() for name, grad in found.items() if grad is not None}


def _batches(training: Stepwise) -> list[dict[str, Any]]:
    """All of an epoch: with padding on one side, on both, and with none."""
    return list(training.epoch.next_epoch_itr(shuffle=False))


def _alike(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        if "k_proj.bias" in name:  # shifts all scores of a query alike, so it has none but rounding
            continue
        # fairseq takes the logarithms of probabilities in float32, whose rounding adds up in sums
        # that may be much larger than what is left of them.
        rounding = 1e-5 * max(1.0, float(other[name].abs().max()))
        assert torch.allclose(gradient, other[name], rtol=1e-5, atol=rounding), name


def test_losses_and_gradients_are_those_of_fairseq(styled: Stepwise) -> None:
    training = styled
    criterion = LabelSmoothedCrossEntropyCriterion(training.task, False, 0.1)
    model = training.model.eval()
    padded = set()
    for batch in _batches(training):
        pad = training.task.source_dictionary.pad()
        padded.add(
            (
                bool((batch["net_input"]["src_tokens"] == pad).any()),
                bool((batch["target"] == pad).any()),
            )
        )
        loss, _, log = criterion(model, batch)
        torch.autograd.backward(loss)
        theirs = _gradients(model)
        smoothed, plain = _ours(training, [model], batch)
        torch.autograd.backward(smoothed.sum())
        assert float(smoothed) == pytest.approx(float(loss), rel=1e-6)
        assert float(plain) == pytest.approx(float(log["nll_loss"]), rel=1e-5)
        _alike(theirs, _gradients(model))
    assert len(padded) > 1


def test_float32_and_bfloat16_are_close(styled: Stepwise) -> None:
    training = styled
    model, batch = training.model.eval(), _batches(training)[0]
    exact = float(_ours(training, [model], batch)[0])
    model = copy.deepcopy(model).float()
    for dtype, error in ((torch.float32, 1e-5), (torch.bfloat16, 0.01)):
        assert float(_ours(training, [model], batch, dtype)[0]) == pytest.approx(exact, rel=error)


def test_a_loss_in_pieces_is_the_whole_loss(
    training: Stepwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = training.model.eval(), _batches(training)[0]
    found = []
    for size in (4, 10_000, 1 << 30):
        monkeypatch.setitem(transformer.BLOCK_BYTES, "cpu", size)
        smoothed, _ = _ours(training, [model], batch)
        torch.autograd.backward(smoothed.sum())
        found.append((float(smoothed), _gradients(model)))
    for loss, gradients in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-6)
        _alike(found[0][1], gradients)


def test_models_of_a_stack_are_as_each_alone_with_the_same_dropout(styled: Stepwise) -> None:
    training = styled
    models = [model.train() for model in training.task.models]
    assert models[0].encoder.dropout_module.p > 0
    for batch in _batches(training)[:3]:
        alone = []
        for model in models:
            with utils.set_torch_seed(7):
                sums = _ours(training, [model], batch)
            torch.autograd.backward(sums[0].sum())
            alone.append((float(sums[0]), float(sums[1]), _gradients(model)))
        with utils.set_torch_seed(7):
            smoothed, plain = _ours(training, models, batch)
        torch.autograd.backward(smoothed.sum())
        for number, (one, other, gradients) in enumerate(alone):
            assert float(smoothed[number]) == pytest.approx(one, rel=1e-5)
            assert float(plain[number]) == pytest.approx(other, rel=1e-5)
            _alike(gradients, _gradients(models[number]))
    assert "encoder.embed_tokens.weight" not in gradients  # the second arm's is frozen


def _states(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """fairseq's own states of what predicts, sentences x length x dimension, and the weights of the
    output layer."""
    encoder: Any = model.encoder
    memory = None
    if batch.source is not None:
        padding = batch.source.eq(1)
        length = batch.source.shape[1]
        unseen = torch.ones(length, length).triu(1).bool()
        unseen = unseen if batch.sees == "earlier" else unseen.mT
        x, _ = encoder.forward_embedding(batch.source)
        x = (x * (~padding)[:, :, None]).transpose(0, 1)
        for layer in encoder.layers:
            x = layer(x, padding, None if batch.sees == "all" else unseen)
        states = encoder.layer_norm(x)
        memory = {"encoder_out": [states], "encoder_padding_mask": [padding]}
        if batch.previous is None:
            return states.transpose(0, 1), encoder.embed_tokens.weight
    found, _ = model.decoder(batch.previous, encoder_out=memory, features_only=True)
    return found, model.decoder.output_projection.weight


OF_TOKENS = [it for it in OBJECTIVES.built_in if it not in (RANKING, "partial-views")]
"""The objectives whose loss is of tokens."""


@pytest.mark.parametrize("name", OF_TOKENS)
def test_losses_and_gradients_of_objectives_are_those_of_fairseq(
    training: Stepwise, name: str
) -> None:
    model = training.model.eval()
    dictionary = training.task.source_dictionary
    draw = np.random.default_rng(1)
    texts = [[Tensor([*draw.integers(4, len(dictionary), n), 2]).long() for n in (3, 9, 1, 14, 9)]]
    text: Any = type("Text", (list,), {"sizes": [len(it) for it in texts[0]]})(texts[0])
    vocabulary = Vocabulary(len(dictionary), first=4, padding=1, end=2, mask=0)
    objective = OBJECTIVES[name].model_validate({})
    data = Sentences([text], objective, vocabulary, seed=1)
    if isinstance(objective, PairObjective):
        data = SentencePairs((text, text), objective, vocabulary, seed=1)
    for batch in data.collater([data[index] for index in range(len(data))])["batches"]:
        states, output = _states(model, batch)
        logits = states @ output.mT
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch.target.flatten(), ignore_index=1, reduction="sum"
        )
        torch.autograd.backward(loss)
        theirs = _gradients(model)
        ours = objective_loss(
            model, batch.source, batch.previous, batch.target, 1, torch.float64, batch.sees
        )
        torch.autograd.backward(ours)
        assert float(ours) == pytest.approx(float(loss), rel=1e-6)
        found = _gradients(model)
        # Stacks that an objective has no use for learn nothing from it.
        assert {it.partition(".")[0] for it in found} == set(objective.stacks)
        _alike(theirs, found)


def test_ranking_is_softmax_over_the_batch_with_a_margin(training: Stepwise) -> None:
    """Vectors are fairseq's mean states; a sentence that stands twice is no wrong answer."""
    model = training.model.eval()
    dictionary = training.task.source_dictionary
    draw = np.random.default_rng(1)
    sides = [
        [Tensor([*draw.integers(4, len(dictionary), n), 2]).long() for n in lengths]
        for lengths in ((3, 9, 1, 14), (5, 2, 8, 4))
    ]
    sides[0][3] = sides[0][1]
    texts: list[Any] = [
        type("Text", (list,), {"sizes": [len(it) for it in side]})(side) for side in sides
    ]
    vocabulary = Vocabulary(len(dictionary), first=4, padding=1, end=2, mask=0)
    objective = OBJECTIVES[RANKING].model_validate({"margin": 0.2, "scale": 5.0})
    assert isinstance(objective, PairObjective)
    data = SentencePairs((texts[0], texts[1]), objective, vocabulary, seed=1)
    batches = data.collater([data[index] for index in range(len(data))])["batches"]
    vectors = []
    for batch in batches:
        states, there = _states(model, batch)[0], (batch.source != 1)[:, :, None]
        mean = (states * there).sum(1) / there.sum(1)
        vectors.append(mean / mean.norm(dim=1, keepdim=True))
    cosines, expected = vectors[0] @ vectors[1].T, 0.0
    for by, twice in ((cosines, ()), (cosines.T, ((1, 3), (3, 1)))):
        for right in range(4):
            scores = [
                5 * (float(by[right, other]) - 0.2 * (right == other))
                for other in range(4)
                if (right, other) not in twice
            ]
            own = 5 * (float(by[right, right]) - 0.2)
            expected += np.log(np.exp(scores).sum()) - own
    loss, predictions = objective.loss(model, batches, 1, torch.float64)
    assert predictions == 8
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    torch.autograd.backward(loss)
    assert {it.partition(".")[0] for it in _gradients(model)} == {"encoder"}
    order = torch.arange(4)
    nearest = torch.cat([cosines.argmax(1) == order, cosines.argmax(0) == order])
    assert objective.precision(model, [batches], 1, torch.float64) == float(nearest.float().mean())


def test_a_partial_view_learns_what_the_whole_one_predicts(training: Stepwise) -> None:
    model = training.model.eval()
    dictionary = training.task.source_dictionary
    draw = np.random.default_rng(2)
    texts: list[Any] = []
    for lengths in ((3, 9, 1, 14), (5, 2, 8, 4)):
        side = [Tensor([*draw.integers(4, len(dictionary), n), 2]).long() for n in lengths]
        texts.append(type("Text", (list,), {"sizes": [len(it) for it in side]})(side))
    vocabulary = Vocabulary(len(dictionary), first=4, padding=1, end=2, mask=0)
    objective = OBJECTIVES["partial-views"].model_validate({})
    assert isinstance(objective, PairObjective)
    data = SentencePairs((texts[0], texts[1]), objective, vocabulary, seed=1)
    whole, part = data.collater([data[index] for index in range(len(data))])["batches"]
    assert (whole.source != part.source).any() and (part.source == 0).any()
    whole_log, part_log = (
        torch.log_softmax(states @ output.mT, 2)
        for states, output in (_states(model, it) for it in (whole, part))
    )
    there = part.target != 1
    expected = (whole_log.exp() * (whole_log - part_log)).sum(2)[there].sum()
    torch.autograd.backward(
        (whole_log.exp().detach() * (whole_log.detach() - part_log)).sum(2)[there].sum()
    )
    theirs = _gradients(model)
    # With dropout on, the whole view still has none; both views the same are no divergence.
    loss, predicted = objective.loss(model, [whole, part], 1, torch.float64)
    assert predicted == int(there.sum())
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    torch.autograd.backward(loss)
    _alike(theirs, _gradients(model))
    same = objective.loss(model, [whole, whole], 1, torch.float64)[0]
    assert float(same) == pytest.approx(0, abs=1e-9)
    model.train()
    assert float(objective.loss(model, [whole, whole], 1, torch.float64)[0]) > 1e-3
    model.eval()


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_dropout_keeps_its_share_and_the_sum(rate: float) -> None:
    torch.manual_seed(1)
    factors = transformer._dropout(torch.empty(1000, 1003), rate)
    assert torch.unique(factors).tolist() == [0, pytest.approx(1 / (1 - rate))]
    assert float((factors == 0).float().mean()) == pytest.approx(rate, abs=0.002)
    assert float(factors.mean()) == pytest.approx(1, abs=0.005)
    # Neighbours are drawn independently of each other, though from the same number.
    kept = (factors != 0).float().flatten()
    for distance in (1, 2, 3, 4, 1003):
        both = (kept[:-distance] * kept[distance:]).mean()
        assert float(both) == pytest.approx((1 - rate) ** 2, abs=0.003)
