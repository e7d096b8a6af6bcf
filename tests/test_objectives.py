"""Objectives, on sentences of any length: what is read, and what is predicted of it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_ablation.objectives import (
    OBJECTIVES,
    Example,
    Objective,
    PairObjective,
    Tokens,
    Vocabulary,
)

VOCABULARY = Vocabulary(size=100, first=4, padding=1, end=2, mask=0)
PAD, END, MASK = VOCABULARY.padding, VOCABULARY.end, VOCABULARY.mask
SENTENCES = st.lists(st.integers(4, 99), min_size=1, max_size=60).map(np.array)
SEEDS = st.integers(0, 2**31)
OF_TOKENS = [name for name in OBJECTIVES.built_in if name != "translation-ranking"]
"""The objectives that predict tokens."""


def objective(name: str, **settings: object) -> Objective:
    return OBJECTIVES[name].model_validate(settings)


def examples(of: Objective, sentence: Tokens, seed: int) -> list[Example]:
    """Return the examples of a sentence, or of a pair whose other side is the sentence twice."""
    chance = np.random.default_rng(seed)
    if isinstance(of, PairObjective):
        return list(of.pair_examples(sentence, np.tile(sentence, 2), chance, VOCABULARY))
    return list(of.examples(sentence, chance, VOCABULARY))


def one(of: Objective, sentence: Tokens, seed: int) -> Example:
    (found,) = examples(of, sentence, seed)
    return found


@pytest.mark.parametrize("name", OBJECTIVES.built_in)
@given(sentence=SENTENCES, seed=SEEDS)
def test_noise_depends_on_the_seed_alone_and_leaves_the_sentence_as_it_is(
    name: str, sentence: Tokens, seed: int
) -> None:
    before = sentence.copy()
    twice = [examples(objective(name), sentence, seed) for _ in range(2)]
    assert (sentence == before).all()
    for first, second in zip(*twice, strict=True):
        for field in ("source", "previous", "target"):
            assert np.array_equal(getattr(first, field), getattr(second, field))


@pytest.mark.parametrize("name", OF_TOKENS)
@given(sentence=SENTENCES, seed=SEEDS)
def test_something_is_predicted_where_something_is_read(
    name: str, sentence: Tokens, seed: int
) -> None:
    stacks = objective(name).stacks
    for it in examples(objective(name), sentence, seed):
        assert (it.source is not None) == ("encoder" in stacks)
        assert (it.previous is not None) == ("decoder" in stacks)
        predicting = it.previous if it.previous is not None else it.source
        assert predicting is not None and len(predicting) == len(it.target)
        assert (it.target != PAD).any()
        for read in (it.source, it.previous):
            assert read is None or (len(read) and (read != PAD).all())
        assert (it.source is None) or it.source[-1] == END or it.sees == "earlier"


@given(sentence=SENTENCES, seed=SEEDS)
def test_a_causal_lm_predicts_each_token_and_the_end(sentence: Tokens, seed: int) -> None:
    it = one(objective("causal-lm"), sentence, seed)
    assert it.previous is not None
    assert it.previous.tolist() == [END, *sentence]
    assert it.target.tolist() == [*sentence, END]


@given(sentence=SENTENCES, seed=SEEDS)
def test_a_bidirectional_lm_never_sees_what_it_predicts(sentence: Tokens, seed: int) -> None:
    forward, backward = examples(objective("bidirectional-lm"), sentence, seed)
    whole = [END, *sentence, END]
    assert forward.source is not None and backward.source is not None
    for at, target in enumerate(forward.target):
        assert [*forward.source[: at + 1], target] == whole[: at + 2]
    for at, target in enumerate(backward.target):
        assert [target, *backward.source[at:]] == whole[at:]
    assert (forward.sees, backward.sees) == ("earlier", "later")


@given(sentence=SENTENCES, seed=SEEDS)
def test_a_masked_lm_predicts_only_what_was_chosen(sentence: Tokens, seed: int) -> None:
    it = one(objective("masked-lm"), sentence, seed)
    assert it.source is not None
    assert it.source[-1] == END and it.target[-1] == PAD
    chosen = it.target[:-1] != PAD
    assert (it.target[:-1][chosen] == sentence[chosen]).all()
    assert (it.source[:-1][~chosen] == sentence[~chosen]).all()


@given(sentence=SENTENCES, seed=SEEDS)
def test_a_translation_lm_chooses_tokens_of_both_sides(sentence: Tokens, seed: int) -> None:
    it = one(objective("translation-lm", share=0.5), sentence, seed)
    both = np.array([*sentence, END, *sentence, *sentence, END])
    assert it.source is not None and len(it.source) == len(it.target) == len(both)
    chosen = it.target != PAD
    assert (it.target[chosen] == both[chosen]).all()
    assert (it.source[~chosen] == both[~chosen]).all()
    assert chosen[: len(sentence)].any() and chosen[len(sentence) + 1 :].any()
    assert not chosen[both == END].any()


@given(sentence=SENTENCES, seed=SEEDS)
def test_a_parent_predicts_the_other_side(sentence: Tokens, seed: int) -> None:
    it = one(objective("translation"), sentence, seed)
    assert it.source is not None and it.previous is not None
    assert it.source.tolist() == [*sentence, END]
    assert it.previous.tolist() == [END, *sentence, *sentence]
    assert it.target.tolist() == [*sentence, *sentence, END]


def test_a_masked_lm_masks_80_and_replaces_10_of_a_hundred() -> None:
    sentence = np.full(200_000, 50)
    it = one(objective("masked-lm"), sentence, 1)
    assert it.source is not None
    chosen = it.target[:-1] != PAD
    read = it.source[:-1][chosen]
    assert chosen.mean() == pytest.approx(0.15, abs=0.005)
    assert (read == MASK).mean() == pytest.approx(0.8, abs=0.01)
    others = read[(read != MASK) & (read != 50)]
    assert len(others) / len(read) == pytest.approx(0.1, abs=0.01)
    assert set(others) == set(range(4, 100)) - {50}


@given(sentence=SENTENCES, seed=SEEDS, share=st.floats(0.01, 1))
def test_mass_predicts_one_fragment_at_its_own_positions(
    sentence: Tokens, seed: int, share: float
) -> None:
    it = one(objective("mass", share=share), sentence, seed)
    assert it.source is not None and it.previous is not None
    (at,) = (it.target != PAD).nonzero()
    assert at.tolist() == list(range(at[0], at[-1] + 1))
    assert len(at) == max(1, round(share * len(sentence)))
    assert (it.target[at] == sentence[at]).all()
    outside = np.delete(np.arange(len(sentence)), at)
    assert (it.source[at] == MASK).all()
    assert (it.source[outside] == sentence[outside]).all()
    # The decoder reads the fragment alone, and knows nothing of what stands before it.
    assert it.previous[at[1:]].tolist() == sentence[at[:-1]].tolist()
    assert (it.previous[: at[0] + 1] == (MASK if at[0] else END)).all()


@given(sentence=SENTENCES, seed=SEEDS)
def test_a_prefix_lm_cuts_a_sentence_in_two(sentence: Tokens, seed: int) -> None:
    it = one(objective("prefix-lm"), sentence, seed)
    assert it.source is not None and it.previous is not None
    assert [*it.source[:-1], *it.target[:-1]] == sentence.tolist()
    assert it.previous.tolist() == [END, *it.target[:-1]]
    assert len(it.source) > 1


@given(sentence=SENTENCES, seed=SEEDS, spans=st.floats(0, 0.99), length=st.floats(0.5, 8))
def test_denoising_hides_spans_and_keeps_the_rest_in_order(
    sentence: Tokens, seed: int, spans: float, length: float
) -> None:
    distinct = np.arange(4, 4 + len(sentence))
    it = one(objective("denoising", spans=spans, span_length=length), distinct, seed)
    assert it.source is not None and it.previous is not None
    assert it.target.tolist() == [*distinct, END]
    assert it.previous.tolist() == [END, *distinct]
    kept = it.source[:-1][it.source[:-1] != MASK]
    assert len(distinct) - len(kept) == round(spans * len(distinct))
    assert (np.diff(kept) > 0).all() and set(kept) <= set(distinct)
    # Where tokens are missing, a mask stands for them.
    known = [3, *kept, 4 + len(distinct)]
    gaps = sum(after - before > 1 for before, after in itertools.pairwise(known))
    assert (it.source == MASK).sum() >= gaps


def test_spans_are_as_long_as_asked_for() -> None:
    it = one(objective("denoising", spans=0.3, span_length=3.0), np.full(100_000, 7), 1)
    assert it.source is not None
    assert 30_000 / (it.source == MASK).sum() == pytest.approx(3, rel=0.03)


@given(sentence=SENTENCES, seed=SEEDS, places=st.integers(1, 5))
def test_permutation_moves_no_token_further_than_asked_for(
    sentence: Tokens, seed: int, places: int
) -> None:
    distinct = np.arange(4, 4 + len(sentence))
    it = one(objective("denoising", spans=0.0, permutation=places), distinct, seed)
    assert it.source is not None
    assert sorted(it.source[:-1]) == distinct.tolist()
    assert (abs(it.source[:-1] - distinct) <= places).all()


def test_deletion_takes_its_share_of_what_no_span_hides() -> None:
    settings = {"spans": 0.35, "deletion": 0.2}
    it = one(objective("denoising", **settings), np.full(100_000, 7), 1)
    assert it.source is not None
    kept = (it.source[:-1] != MASK).sum()
    assert kept / 65_000 == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("name", OBJECTIVES.built_in)
def test_every_objective_says_whom_it_is_from(name: str) -> None:
    assert objective(name).cites()
    assert set(objective(name).stacks) <= {"encoder", "decoder"}
