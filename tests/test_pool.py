"""Holding out and the pool: no leak and no duplicate, whatever the order."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_ablation.corpus import cleaned, pool
from nmt_ablation.corpus.clean import Cleaner
from nmt_ablation.corpus.cleaned import CleanCorpus, write
from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.hold_out import KnownSides, set_aside
from nmt_ablation.corpus.read import RawBlock
from nmt_ablation.corpus.text import Pair, normal_form, read_pairs

LANGUAGES = ("de", "en")
SIDE = st.text(alphabet="abAB .", min_size=1, max_size=4)
PAIRS = st.lists(st.tuples(SIDE, SIDE), max_size=40)


def corpus(folder: Path, pairs: list[Pair]) -> CleanCorpus:
    folder.mkdir()
    source, target = ("".join(p[side] + "\n" for p in pairs).encode() for side in (0, 1))
    limits = Cleaning(min_letters=0.0, min_native=0.0)
    cleaner = Cleaner(limits, LANGUAGES, ("made.de", "made.en"))
    write(cleaner.blocks([RawBlock(source, target, None)]), folder, LANGUAGES)
    return CleanCorpus(folder, LANGUAGES)


def forms(pairs: list[Pair], side: int) -> set[str]:
    return {normal_form(pair[side]) for pair in pairs}


def build(
    folder: Path, corpora: list[CleanCorpus], held_out: list[Pair]
) -> tuple[list[Pair], pool.Counts]:
    counts = pool.build(corpora, KnownSides.of(held_out), folder, folder / "pool.bin")
    rows = np.concatenate([np.zeros(0, pool.POOL), *pool.chunks(folder / "pool.bin")])
    assert np.all(rows["pair"][1:] > rows["pair"][:-1])
    chosen = pool.draw(folder / "pool.bin", None, False, "any")
    drawn = pool.write(chosen, corpora, folder / "all", LANGUAGES)
    assert drawn == counts.pool
    assert rows.size == sum(drawn)
    return list(read_pairs(folder / "all", LANGUAGES)), counts


class TestHoldOut:
    @settings(deadline=None)
    @given(PAIRS, PAIRS, st.integers(0, 8), st.integers(0, 8))
    def test_nothing_held_out_is_left_on_either_side(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        one: list[Pair],
        other: list[Pair],
        n_test: int,
        n_valid: int,
    ) -> None:
        folder = tmp_path_factory.mktemp("pool")
        corpora = [corpus(folder / "one", one), corpus(folder / "other", other)]
        wanted: dict[str, tuple[int, list[Pair]]] = {"test": (n_test, []), "valid": (n_valid, [])}
        sets = set_aside(corpora[0], wanted)
        test, valid = sets["test"], sets["valid"]
        train, counts = build(folder, corpora, test + valid)
        for a, b in ((train, test), (train, valid), (valid, test)):
            assert not forms(a, 0) & forms(b, 0)
            assert not forms(a, 1) & forms(b, 1)
        assert len(test) <= n_test
        assert sum(counts.pool) == len(train)
        read = len(corpora[0]) + len(corpora[1])
        assert sum(counts.pool + counts.duplicates + counts.leaks) == read

    def test_corpora_that_are_added_do_not_change_what_is_held_out(self, tmp_path: Path) -> None:
        """The first corpus alone decides; its order of lines doesn't matter either."""
        pairs = [(f"Satz {n}", f"sentence {n}") for n in range(300)]
        shuffled = random.Random(1).sample(pairs, len(pairs))
        wanted: dict[str, tuple[int, list[Pair]]] = {
            "test": (20, [("gegeben", "given")]),
            "valid": (10, []),
        }
        one, other = corpus(tmp_path / "one", pairs), corpus(tmp_path / "other", shuffled)
        sets = set_aside(one, wanted)
        assert sets == set_aside(other, wanted)
        assert len(sets["test"]) == 21
        assert len(sets["valid"]) == 10

    def test_most_of_a_held_out_set_stays_when_its_corpus_grows(self, tmp_path: Path) -> None:
        pairs = [(f"Satz {n}", f"sentence {n}") for n in range(1100)]
        small, large = corpus(tmp_path / "small", pairs[:1000]), corpus(tmp_path / "large", pairs)
        wanted: dict[str, tuple[int, list[Pair]]] = {"test": (100, [])}
        before = set_aside(small, wanted)["test"]
        after = set_aside(large, wanted)["test"]
        assert len(set(before) & set(after)) > 80


class TestPool:
    @settings(deadline=None, max_examples=30)
    @given(PAIRS, PAIRS, st.randoms())
    def test_it_holds_each_pair_once_whatever_the_order_of_lines(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        one: list[Pair],
        other: list[Pair],
        chance: random.Random,
    ) -> None:
        folder = tmp_path_factory.mktemp("pool")
        shuffled = chance.sample(one, len(one))
        rest = corpus(folder / "other", other)
        pairs, _ = build(folder, [corpus(folder / "one", one), rest], [])
        again, _ = build(folder, [corpus(folder / "shuffled", shuffled), rest], [])
        assert pairs == again
        keys = [tuple(map(normal_form, pair)) for pair in pairs]
        assert len(set(keys)) == len(keys)

    def test_of_duplicates_the_earlier_corpus_keeps_its_own(self, tmp_path: Path) -> None:
        one = corpus(tmp_path / "one", [("ein Haus", "a house")])
        other = corpus(tmp_path / "other", [("Ein Haus!", "A house."), ("zwei", "two")])
        pairs, counts = build(tmp_path, [one, other], [])
        assert sorted(pairs) == [("ein Haus", "a house"), ("zwei", "two")]
        assert (counts.pool, counts.duplicates, counts.leaks) == ([1, 1], [0, 1], [0, 0])

    def test_sorting_in_shares_gives_the_same_pool(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = corpus(tmp_path / "one", [(f"Satz {n % 700}", f"word {n}") for n in range(1000)])
        whole = build(tmp_path, [one], [])
        monkeypatch.setattr(pool, "_SHARE", 100)
        monkeypatch.setattr(cleaned, "ROWS", 77)
        monkeypatch.setattr(cleaned, "_SLAB", 13)
        monkeypatch.setattr(pool, "ROWS", 55)
        assert build(tmp_path, [one], []) == whole
        assert not list(tmp_path.glob("share*"))
