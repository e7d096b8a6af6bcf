"""Promise 1: samples are nested, and depend on no order."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmt_ablation.corpus.hashes import hash_texts, pair_hashes
from nmt_ablation.corpus.measure import form_hashes
from nmt_ablation.corpus.sample import Smallest, ranks
from nmt_ablation.corpus.text import Pair

LINES = st.text(alphabet=st.sampled_from("abcAB .,ß中é\u0301"), max_size=8)
PAIRS = st.lists(st.tuples(LINES, LINES), max_size=60)
NUMBERS = st.integers(0, 70)


def _pair_hashes(pairs: list[Pair]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    sources, targets = zip(*pairs, strict=True) if pairs else ((), ())
    return pair_hashes(form_hashes(sources), form_hashes(targets))


def offer(smallest: Smallest, pairs: list[Pair], every: list[Pair], key: str = "key") -> None:
    """Offer pairs, whose places are those in `every`."""
    exact = hash_texts("\t".join(pair) for pair in pairs)
    places = np.array([every.index(pair) for pair in pairs], np.uint64)
    tokens = np.ones(len(pairs), np.uint32)
    smallest.add(ranks(_pair_hashes(pairs), key), exact, places, tokens)


def draw(pairs: list[Pair], n: int | None, key: str = "key") -> list[Pair]:
    smallest = Smallest(n)
    offer(smallest, pairs, pairs, key)
    return [pairs[place] for place in smallest.places()]


@given(PAIRS, NUMBERS, NUMBERS, st.text())
def test_a_smaller_sample_is_the_beginning_of_a_larger_one(
    pairs: list[Pair], n: int, m: int, key: str
) -> None:
    small, large = sorted((n, m))
    assert draw(pairs, small, key) == draw(pairs, large, key)[:small]


@given(PAIRS, NUMBERS, st.randoms())
def test_order_does_not_matter(pairs: list[Pair], n: int, chance: random.Random) -> None:
    assert draw(pairs, n) == draw(chance.sample(pairs, len(pairs)), n)


@given(PAIRS, PAIRS, NUMBERS)
def test_samples_of_parts_merge_into_the_sample_of_the_whole(
    one: list[Pair], other: list[Pair], n: int
) -> None:
    whole = one + other
    merged = Smallest(n)
    for part in (one, other):
        offer(merged, draw(part, n), whole)
    assert [whole[place] for place in merged.places()] == draw(whole, n)


@given(PAIRS)
def test_all_of_a_pool_is_each_distinct_pair_once(pairs: list[Pair]) -> None:
    every = _pair_hashes(draw(pairs, None)).tolist()
    assert len(set(every)) == len(every)
    assert set(every) == set(_pair_hashes(pairs).tolist())


@given(st.lists(st.integers(0, 9), max_size=50), st.integers(0, 100), st.randoms())
def test_a_sample_of_tokens_is_the_shortest_that_has_them(
    tokens: list[int], limit: int, chance: random.Random
) -> None:
    order = list(range(len(tokens)))  # pair n has rank n
    smallest = Smallest(limit)
    for n in chance.sample(order, len(order)):
        place = np.array([n], np.uint64)
        smallest.add(place, place, place, np.array([tokens[n]], np.uint32))
    places = smallest.places().tolist()
    assert places == order[: len(places)]
    weights = [tokens[n] for n in places]
    assert sum(weights) == smallest.weight()
    assert sum(weights[:-1]) < limit or not places
    assert sum(weights) >= limit or len(places) == len(tokens)


def test_more_than_is_kept_at_once_gives_the_same_sample() -> None:
    hashes = np.random.default_rng(1).integers(0, 2**63, 3_000_000, np.uint64)
    smallest = Smallest(1000)
    places, ones = np.arange(hashes.size, dtype=np.uint64), np.ones(hashes.size, np.uint32)
    for start in range(0, hashes.size, 300_000):
        part = slice(start, start + 300_000)
        smallest.add(hashes[part], hashes[part], places[part], ones[part])
    assert smallest.places().tolist() == np.argsort(hashes)[:1000].tolist()


def test_pairs_that_differ_in_case_and_punctuation_are_duplicates() -> None:
    pairs = [("Guten Tag!", "Hello."), ("guten tag", "hello"), ("Guten Abend", "hello")]
    assert len(draw(pairs, None)) == 2


def test_the_sides_of_a_pair_can_neither_run_into_each_other_nor_change_places() -> None:
    hashes = _pair_hashes([("a b", "c"), ("a", "b c"), ("c", "a b")])
    assert len(set(hashes.tolist())) == 3


def test_another_key_gives_another_sample() -> None:
    pairs = [(str(n), str(n)) for n in range(1000)]
    assert len(set(draw(pairs, 500, "1")) & set(draw(pairs, 500, "2"))) < 300


def test_each_pair_is_as_likely_as_any_other() -> None:
    pairs = _pair_hashes([(str(n), str(n)) for n in range(100)])
    chosen = np.zeros(100)
    for seed in range(1000):
        chosen[np.argsort(ranks(pairs, f"sample: {seed}"))[:20]] += 1
    # Binomial with n = 1000 and p = 0.2: its standard deviation is 12.6.
    assert abs(chosen - 200).max() < 55
    assert 10 < chosen.std() < 16


def test_ranks_are_the_same_on_every_machine() -> None:
    assert ranks(_pair_hashes([("ein Haus", "a house")]), "sample: 1").tolist() == [
        12750629228528359475
    ]
