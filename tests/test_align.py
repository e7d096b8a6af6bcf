"""Two languages' vectors in one space: found again, orthogonal, measured on what is held out."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_ablation.errors import UserError
from nmt_ablation.pretrained import align as module
from nmt_ablation.pretrained.align import Rows, Space, Values, align, nearest, normalised
from nmt_ablation.pretrained.lexicon import Entry

SIZE, DIMENSION = 600, 20
TRUE = [(f"s{n}", f"t{n}") for n in range(SIZE)]


def unit(values: Values) -> Values:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


def spaces(noise: float, seed: int = 0) -> tuple[Space, Space]:
    """Vectors in a few clusters, off the origin, and the same ones turned, stretched and noisy."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(10, DIMENSION))
    values = centres[chance.integers(10, size=SIZE)] + chance.normal(size=(SIZE, DIMENSION)) + 0.5
    turn, _ = np.linalg.qr(chance.normal(size=(DIMENSION, DIMENSION)))
    turned = values @ turn + noise * chance.normal(size=values.shape)
    turned *= chance.uniform(0.5, 2, size=(SIZE, 1))
    sides = (values.astype(np.float32), turned.astype(np.float32))
    return Space([s for s, _ in TRUE], sides[0]), Space([t for _, t in TRUE], sides[1])


def held_out(lexicon: list[Entry], seed: int) -> list[Entry]:
    """Entries that have no part in the map: without them the rest is fitted to all the same."""
    source, target = spaces(noise=0.1)
    split = module._Split(source, target, lexicon, seed)
    return [(source.tokens[one], target.tokens[other]) for one, other in split.held_out.tolist()]


def rotation(before: Space, after: Space) -> Values:
    """The map from a space, normalised, to where it came to lie."""
    values = normalised(before, "source").values.astype(np.float64)
    return np.linalg.lstsq(values, after.values.astype(np.float64))[0]


class TestMap:
    def test_a_turned_space_is_found_again(self) -> None:
        found = align(*spaces(noise=0.1), TRUE[:200], rounds=2, seed=1)
        right = nearest(found.source.values, found.target.values) == np.arange(SIZE)
        assert right.mean() > 0.99
        assert all(
            getattr(turn, direction) > 0.95
            for turn in found.record.rounds
            for direction in ("source_to_target", "target_to_source")
        )

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 100), st.sampled_from([0.1, 3.0]), st.integers(0, 2))
    def test_the_map_is_orthogonal(self, seed: int, noise: float, rounds: int) -> None:
        source, target = spaces(noise, seed)
        found = align(source, target, TRUE[:60], rounds, seed)
        turn = rotation(source, found.source)
        assert np.allclose(turn @ turn.T, np.eye(DIMENSION), atol=1e-4)

    def test_vectors_have_length_1_and_mean_nearly_0(self) -> None:
        found = align(*spaces(noise=0.1), TRUE, rounds=1, seed=1)
        for side in (found.source, found.target):
            assert side.values.dtype == np.float32
            assert np.allclose(np.linalg.norm(side.values, axis=1), 1, atol=1e-5)
            assert np.linalg.norm(side.values.mean(axis=0)) < 0.01

    def test_what_is_given_stays_as_it_is(self) -> None:
        source, target = spaces(noise=0.1)
        copies = source.values.copy(), target.values.copy()
        align(source, target, TRUE, rounds=1, seed=1)
        assert np.array_equal(source.values, copies[0])
        assert np.array_equal(target.values, copies[1])

    def test_refinement_makes_more_of_a_small_lexicon(self) -> None:
        sides = spaces(noise=0.5)
        right = []
        for rounds in (0, 5):
            found = align(*sides, TRUE[:30], rounds, seed=1)
            right.append(nearest(found.source.values, found.target.values) == np.arange(SIZE))
            assert len(found.record.rounds) == rounds + 1
        assert right[1].mean() > right[0].mean() + 0.1
        assert found.record.rounds[-1].fitted > 200 > found.record.rounds[0].fitted

    def test_the_same_call_gives_the_same_numbers(self) -> None:
        one, other = (align(*spaces(noise=0.5), TRUE[:90], rounds=2, seed=1) for _ in range(2))
        assert np.array_equal(one.source.values, other.source.values)
        assert one.record == other.record

    def test_neither_order_nor_repetition_of_the_lexicon_matters(self) -> None:
        one = align(*spaces(noise=0.5), TRUE[:90], rounds=1, seed=1)
        other = align(*spaces(noise=0.5), TRUE[89::-1] + TRUE[:9], rounds=1, seed=1)
        assert np.array_equal(one.source.values, other.source.values)
        assert one.record == other.record

    def test_vectors_of_zeros_are_left_out(self) -> None:
        source, target = spaces(noise=0.1)
        values = source.values.copy()
        values[7] = 0
        found = align(dataclasses.replace(source, values=values), target, TRUE, rounds=1, seed=1)
        assert "s7" not in found.source.tokens
        assert len(found.source.tokens) == len(found.source.values) == SIZE - 1
        assert found.record.known == SIZE - 1


class TestHeldOut:
    def test_a_fifth_of_the_source_words_is_held_out_and_another_seed_holds_out_others(
        self,
    ) -> None:
        assert len(held_out(TRUE[:100], seed=1)) == 20
        assert set(held_out(TRUE[:100], seed=1)) != set(held_out(TRUE[:100], seed=2))

    @settings(max_examples=10, deadline=None)
    @given(st.randoms(use_true_random=False), st.integers(0, 3))
    def test_how_held_out_words_are_paired_does_not_change_the_map(
        self, chance: random.Random, rounds: int
    ) -> None:
        held = held_out(TRUE[:100], seed=1)
        targets = [target for _, target in held]
        chance.shuffle(targets)
        wrong = list(zip([source for source, _ in held], targets, strict=True))
        rest = [entry for entry in TRUE[:100] if entry not in held]
        one, other = (
            align(*spaces(noise=0.5), lexicon, rounds, seed=1)
            for lexicon in (TRUE[:100], rest + wrong)
        )
        assert np.array_equal(one.source.values, other.source.values)

    def test_precision_is_that_of_the_held_out_entries(self) -> None:
        """They are wrong, all others right: whoever had been fitted to them would be praised."""
        held = held_out(TRUE[:100], seed=1)
        targets = [target for _, target in held]
        wrong = list(zip([s for s, _ in held], targets[1:] + targets[:1], strict=True))
        rest = [entry for entry in TRUE[:100] if entry not in held]
        for turn in align(*spaces(noise=0.1), rest + wrong, rounds=3, seed=1).record.rounds:
            assert turn.source_to_target == turn.target_to_source == 0

    def test_an_entry_that_shares_a_word_with_a_held_out_one_is_not_fitted_to(self) -> None:
        held = held_out(TRUE[:100], seed=1)
        others = [source for source, _ in TRUE[:100] if source not in dict(held)]
        more = [(others[n], target) for n, (_, target) in enumerate(held)]
        sides = spaces(noise=0.5)
        one, other = (
            align(*sides, lexicon, 0, seed=1) for lexicon in (TRUE[:100], TRUE[:100] + more)
        )
        assert np.array_equal(one.source.values, other.source.values)
        assert other.record.fitted == other.record.known - 2 * len(held)

    def test_refinement_finds_no_entry_of_a_held_out_word(self) -> None:
        found = align(*spaces(noise=0.0), TRUE[:100], rounds=2, seed=1)
        # All words but these find their translation.
        assert found.record.rounds[-1].fitted == SIZE - 20

    def test_any_translation_that_the_lexicon_has_is_right(self) -> None:
        source, target = spaces(noise=0.1)
        wrong = [(f"s{n}", f"t{(n + 1) % SIZE}") for n in range(SIZE)]
        record = align(source, target, TRUE[::2] + wrong[::2], rounds=0, seed=1).record
        assert record.held_out == SIZE // 2 // 5
        assert record.rounds[0].source_to_target > 0.9


class TestNearest:
    def test_a_hub_wins_by_cosine_and_not_by_csls(self) -> None:
        chance = np.random.default_rng(0)
        # All queries lie around one direction, and the hub in the midst of them.
        queries = unit((chance.normal(size=(300, 30)) + 2).astype(np.float32))
        others = unit(queries + 0.1 * chance.normal(size=queries.shape).astype(np.float32))
        others[0] = unit(queries.mean(axis=0, keepdims=True))
        by_cosine = (queries @ others.T).argmax(axis=1)
        by_csls = nearest(queries, others)
        assert (by_cosine == 0).mean() > 0.5
        assert (by_csls == 0).mean() < 0.2
        right = np.arange(300)
        assert (by_csls == right).mean() > (by_cosine == right).mean() + 0.3

    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.integers(0, 100))
    def test_blocks_of_any_size_give_what_the_definition_does(
        self, queries: int, others: int, block: int, seed: int
    ) -> None:
        chance = np.random.default_rng(seed)
        ones, twos = (
            unit(chance.normal(size=(n, 8)).astype(np.float32)) for n in (queries, others)
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_TOGETHER", block)
            found: Rows = nearest(ones, twos)
        cosines = ones.astype(np.float64) @ twos.T.astype(np.float64)
        crowd = np.sort(cosines, axis=0)[::-1][: module.NEIGHBOURS].mean(axis=0)
        csls = 2 * cosines - crowd
        assert np.allclose(csls[np.arange(queries), found], csls.max(axis=1), atol=1e-5)

    def test_rare_words_take_part_only_if_held_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "FREQUENT", 50)
        found = align(*spaces(noise=0.0), TRUE[-100:], rounds=1, seed=1)
        assert [turn.fitted for turn in found.record.rounds] == [80, 130]
        assert found.record.rounds[1].source_to_target == 1


class TestErrors:
    def test_too_few_entries(self) -> None:
        source, target = spaces(noise=0.1)
        lexicon = [*TRUE[:23], ("no", "such"), ("no", "token"), ("s3", "no")]
        with pytest.raises(UserError, match=r"23 of the lexicon's 26 .* 19 are left") as error:
            align(source, target, lexicon, rounds=0, seed=1)
        assert "\n" not in str(error.value)

    def test_enough_entries(self) -> None:
        assert align(*spaces(noise=0.1), TRUE[:25], rounds=0, seed=1).record.fitted == 20

    def test_no_entry_known(self) -> None:
        with pytest.raises(UserError, match="0 of the lexicon's 1 entries"):
            align(*spaces(noise=0.1), [("no", "such")], rounds=0, seed=1)

    def test_other_dimensions(self) -> None:
        source, target = spaces(noise=0.1)
        short = dataclasses.replace(target, values=target.values[:, :10])
        with pytest.raises(UserError, match="have 20 dimensions and the target vectors 10"):
            align(source, short, TRUE, rounds=0, seed=1)

    @pytest.mark.parametrize("values", [np.zeros((0, 20)), np.zeros((1, 20))])
    def test_no_vectors(self, values: Values) -> None:
        source, _ = spaces(noise=0.1)
        empty = Space(["t0"][: len(values)], values.astype(np.float32))
        with pytest.raises(UserError, match="the target side has no vectors"):
            align(source, empty, TRUE, rounds=0, seed=1)
