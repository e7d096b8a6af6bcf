"""CTranslate2 finds what fairseq's own search finds."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq import utils

from nmt_ablation.model.config import STYLES
from nmt_ablation.transfer.start import Transfer
from nmt_ablation.translation.engine import Engine
from nmt_ablation.translation.generator import Generator
from tests.conftest import Run
from tests.stepwise import Stepwise


@pytest.fixture(scope="module", params=STYLES)
def trained(
    request: pytest.FixtureRequest, finished: Run, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A model that has seen some sentences often enough to be sure of them, its task, and them."""
    training = Stepwise(
        finished,
        tmp_path_factory.mktemp("training"),
        Transfer(),
        style=request.param,
        max_updates=1000,
        validate_every=1000,
    )
    batches = list(training.epoch.next_epoch_itr(shuffle=False))[:2]
    for _ in range(300 if request.param == "gpt2" else 150):  # it learns more slowly
        for batch in batches:
            training.trainer.train_step([batch])
    dictionary = training.task.source_dictionary
    tokens = [row for batch in batches for row in batch["net_input"]["src_tokens"]]
    sentences = [dictionary.string(row[row != dictionary.pad()]).split() for row in tokens]
    return SimpleNamespace(model=training.model.eval(), task=training.task, sentences=sentences)


def _engine(trained: Any, precision: str = "float32") -> Engine:
    task = trained.task
    return Engine(trained.model, task.source_dictionary, task.target_dictionary, 1, precision)


def _translate(engine: Engine, sentences: list[list[str]], beam: int = 5) -> list[list[str]]:
    return engine.translate(sentences, beam, 1.0, lambda *_: None)


@pytest.mark.parametrize("beam", [1, 5])
def test_hypotheses_are_those_of_fairseqs_search(trained: Any, beam: int) -> None:
    task, dictionary = trained.task, trained.task.target_dictionary
    options = SimpleNamespace(beam=beam, max_len_a=1.2, max_len_b=10)
    generator = task.build_generator([trained.model], options)
    theirs = []
    for sentence in trained.sentences:
        tokens = task.source_dictionary.encode_line(" ".join(sentence)).long()[None]
        net_input = {"src_tokens": tokens, "src_lengths": torch.tensor([tokens.shape[1]])}
        found = task.inference_step(generator, [trained.model], {"net_input": net_input})
        best = utils.strip_pad(found[0][0]["tokens"], dictionary.pad())
        theirs.append(dictionary.string(best).split())
    ours = [
        hypothesis
        for sentence in trained.sentences  # one by one, as the bound on the length is the batch's
        for hypothesis in _translate(_engine(trained), [sentence], beam)
    ]
    same = sum(one == other for one, other in zip(ours, theirs, strict=True))
    assert same >= 0.9 * len(ours)
    assert len({tuple(hypothesis) for hypothesis in ours}) > 0.3 * len(ours)


def test_fairseqs_search_translates_alike_where_it_has_to(trained: Any) -> None:
    """For models with features, which CTranslate2 doesn't know."""
    dictionaries = trained.task.source_dictionary, trained.task.target_dictionary
    theirs = Generator(trained.model, *dictionaries).translate(
        trained.sentences, 5, 1.0, lambda *_: None
    )
    ours = _translate(_engine(trained), trained.sentences)
    same = sum(one == other for one, other in zip(ours, theirs, strict=True))
    assert same >= 0.9 * len(ours)
    bias = trained.model.encoder.layers[0].fc1.bias.data
    whole = bias.clone()
    bias[0] = torch.nan
    broken = Generator(trained.model, *dictionaries)
    bias.copy_(whole)
    assert broken.translate(trained.sentences, 5, 1.0, lambda *_: None) == [
        [] for _ in trained.sentences
    ]


def test_rounded_weights_take_the_same_for_likely(trained: Any) -> None:
    hypotheses = _translate(_engine(trained), trained.sentences)
    # The same tokens under both, as one that differs would have all that follow it differ.
    exact, rounded = (
        [
            score
            for found in _engine(trained, precision).translator.score_batch(
                trained.sentences, hypotheses
            )
            for score in found.log_probs
        ]
        for precision in ("float32", "int8")
    )
    differences = [abs(one - other) for one, other in zip(exact, rounded, strict=True)]
    assert 0 < sum(differences) / len(differences) < 1  # nats; of a few hundred tokens chance has 6


def test_order_and_batches_make_no_difference(trained: Any) -> None:
    engine = _engine(trained)
    many = trained.sentences * 5
    together = _translate(engine, many)
    assert together[: len(trained.sentences)] == together[-len(trained.sentences) :]
    assert _translate(engine, []) == []


def test_no_tokens_unknown_tokens_and_far_too_many_are_translated(trained: Any) -> None:
    sentences = [[], ["no such token"] * 3, trained.sentences[0] * 400]
    assert len(_translate(_engine(trained), sentences, beam=1)) == 3


def test_a_model_is_left_as_it_was_and_a_broken_one_says_nothing(trained: Any) -> None:
    before = {name: weight.clone() for name, weight in trained.model.state_dict().items()}
    assert any(_translate(_engine(trained), trained.sentences))
    assert all(weight.requires_grad for weight in trained.model.parameters())
    weight = trained.model.encoder.layers[0].fc1.weight
    try:
        weight.data[0, 0] = float("nan")
        assert not any(_translate(_engine(trained), trained.sentences))
    finally:
        weight.data[0, 0] = before["encoder.layers.0.fc1.weight"][0, 0]
    assert all(torch.equal(before[name], now) for name, now in trained.model.state_dict().items())
