"""Promise 1: samples are nested, and depend on no order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from nmt_ablation.corpus.sample import rank, smallest

LINES = st.text(alphabet=st.sampled_from("abcAB .,ß中é\u0301"), max_size=8)
PAIRS = st.lists(st.tuples(LINES, LINES), max_size=60)


@given(PAIRS, st.integers(0, 70), st.integers(0, 70), st.text())
def test_a_smaller_sample_is_the_beginning_of_a_larger_one(
    pairs: list[tuple[str, str]], n: int, m: int, key: str
) -> None:
    small, large = sorted((n, m))
    assert smallest(pairs, small, key) == smallest(pairs, large, key)[:small]


@given(PAIRS, st.integers(0, 70), st.randoms())
def test_order_does_not_matter(pairs: list[tuple[str, str]], n: int, chance: random.Random) -> None:
    shuffled = chance.sample(pairs, len(pairs))
    assert smallest(pairs, n, "key") == smallest(shuffled, n, "key")


@given(PAIRS, PAIRS, st.integers(0, 70))
def test_samples_of_parts_merge_into_the_sample_of_the_whole(
    one: list[tuple[str, str]], other: list[tuple[str, str]], n: int
) -> None:
    parts = smallest(one, n, "key") + smallest(other, n, "key")
    assert smallest(parts, n, "key") == smallest(one + other, n, "key")


@given(PAIRS)
def test_all_of_a_pool_is_each_distinct_pair_once(pairs: list[tuple[str, str]]) -> None:
    every = smallest(pairs, None, "key")
    assert len({rank(pair, "key") for pair in every}) == len(every)
    assert {rank(pair, "key") for pair in every} == {rank(pair, "key") for pair in pairs}


def test_pairs_that_differ_in_case_and_punctuation_are_duplicates() -> None:
    pairs = [("Guten Tag!", "Hello."), ("guten tag", "hello"), ("Guten Abend", "hello")]
    assert len(smallest(pairs, None, "key")) == 2


def test_the_sides_of_a_pair_can_not_run_into_each_other() -> None:
    assert rank(("a b", "c"), "key") != rank(("a", "b c"), "key")


def test_another_key_gives_another_sample() -> None:
    pairs = [(str(n), str(n)) for n in range(1000)]
    assert len(set(smallest(pairs, 500, "1")) & set(smallest(pairs, 500, "2"))) < 350


def test_ranks_are_the_same_on_every_machine() -> None:
    assert rank(("ein Haus", "a house"), "sample: 1") == 110095284989408480171328435742429442342
