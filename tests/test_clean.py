"""Filters: what each takes, counted, in order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_ablation.corpus import encoding
from nmt_ablation.corpus.clean import Cleaner, TextCleaner
from nmt_ablation.corpus.cleaned import INDEX, CleanCorpus, write
from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.hashes import among
from nmt_ablation.corpus.measure import form_hashes
from nmt_ablation.corpus.read import RawBlock
from nmt_ablation.corpus.records import TextRecord
from nmt_ablation.corpus.text import Pair, read_pairs
from nmt_ablation.errors import UserError

GERMAN = ("de", "en")
FILES = ("made.de", "made.en")


def block(pairs: list[Pair], scores: list[float] | None = None) -> RawBlock:
    source, target = (
        "".join(line + "\n" for line in side).encode() for side in zip(*pairs, strict=True)
    )
    return RawBlock(source, target, None if scores is None else np.array(scores))


def clean(cleaner: Cleaner, *blocks: RawBlock) -> list[Pair]:
    kept = []
    for made in cleaner.blocks(blocks):
        sides = (text.decode().split("\n")[:-1] for text in (made.source, made.target))
        kept += list(zip(*sides, strict=True))
        assert len(made.index) == made.source.count(b"\n")
    return kept


class TestFilters:
    @pytest.mark.parametrize(
        ("name", "limits", "pair"),
        [
            ("empty side", {}, (" ", "x")),
            ("empty side", {}, ("x", "\u2028\x00")),
            ("too many tokens", {"max_tokens": 3}, ("a b c d", "a b c")),
            ("too many characters", {"max_characters": 20}, ("x" * 21, "y" * 20)),
            ("sides too unlike in length", {"max_ratio": 3.0}, ("abcdefg", "xy")),
            ("copy of the other side", {}, ("Paris, Texas", "paris texas!")),
            ("mostly not letters", {}, ("12:34 + 56", "Ein Haus")),
            ("mostly not letters", {}, ("ein Haus", "♪♪♪♪ la")),
            ("in another script", {}, ("ein Haus", "Один дом")),
        ],
    )
    def test_each_takes_what_it_is_named_for(
        self, name: str, limits: dict[str, int | float], pair: Pair
    ) -> None:
        cleaner = Cleaner(Cleaning.model_validate(limits), GERMAN, FILES)
        assert clean(cleaner, block([("ein Haus", "a house"), pair])) == [("ein Haus", "a house")]
        (dropped,) = (key for key, count in cleaner.dropped.items() if count)
        assert dropped == name
        assert (cleaner.read, cleaner.kept) == (2, 1)
        taken = cleaner.record().dropped[name]
        assert taken.pairs == 1
        assert len(taken.examples) == 1

    def test_a_pair_is_counted_once_and_three_examples_are_shown(self) -> None:
        cleaner = Cleaner(Cleaning(max_tokens=1), GERMAN, FILES)
        bad = [("", "")] + [(f"a b {n}", f"b c {n}") for n in range(5)]
        assert clean(cleaner, block(bad[:3]), block(bad[3:])) == []
        assert cleaner.dropped["empty side"] == 1
        assert cleaner.dropped["too many tokens"] == 5
        shown = cleaner.record().dropped["too many tokens"].examples
        assert shown == bad[1:4]

    def test_pairs_that_their_corpus_scores_low_or_not_at_all_are_dropped(self) -> None:
        cleaner = Cleaner(Cleaning(), GERMAN, FILES, min_score=1.06)
        pairs = [("eins", "one"), ("zwei", "two"), ("drei", "three")]
        assert clean(cleaner, block(pairs, [1.05, 1.06, float("nan")])) == [("zwei", "two")]
        assert cleaner.dropped["scored too low"] == 2

    def test_length_is_compared_in_bytes_so_that_chinese_is_not_too_short(self) -> None:
        cleaner = Cleaner(Cleaning(max_ratio=2.5), ("zh", "en"), FILES)
        pairs = [("你好吗", "How are you doing")]
        assert clean(cleaner, block(pairs)) == pairs

    def test_what_can_be_repaired_stays_and_is_counted(self) -> None:
        cleaner = Cleaner(Cleaning(), GERMAN, FILES)
        pairs = [("ein\rHaus", "a  house"), ("zwei\x00", "two\ufeff"), ("drei", "thre\u0301e")]
        assert clean(cleaner, block(pairs)) == [
            ("ein Haus", "a house"),
            ("zwei", "two"),
            ("drei", "thr\u00e9e"),
        ]
        record = cleaner.record()
        assert (record.controls, record.respelled) == (3, 2)

    def test_a_few_lines_that_are_not_utf8_are_counted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(encoding, "MOST", 0.5)
        cleaner = Cleaner(Cleaning(), GERMAN, FILES)
        raw = RawBlock(b"eins\n\xff\xfe\n", b"one\ntwo\n", None)
        assert clean(cleaner, raw) == [("eins", "one")]
        assert cleaner.dropped["not UTF-8"] == 1

    def test_another_language_is_told_when_asked_for(self) -> None:
        pairs = [
            ("Das ist ein schöner Tag im Garten.", "This is a beautiful day in the garden."),
            ("Questa è una bella giornata in giardino.", "Today we go to the old market."),
        ]
        assert len(clean(Cleaner(Cleaning(), GERMAN, FILES), block(pairs))) == 2
        cleaner = Cleaner(Cleaning(min_language_probability=0.9), GERMAN, FILES)
        assert clean(cleaner, block(pairs)) == pairs[:1]
        assert cleaner.dropped["in another language"] == 1

    def test_regional_codes_are_their_language(self) -> None:
        cleaner = Cleaner(Cleaning(min_language_probability=0.9), ("cmn", "pt_br"), FILES)
        pairs = [("今天我们去花园里散步。", "Hoje vamos passear no jardim com as crianças.")]
        assert clean(cleaner, block(pairs)) == pairs

    def test_a_language_that_can_not_be_identified_is_refused(self) -> None:
        with pytest.raises(UserError, match="'xx' is not among the languages"):
            Cleaner(Cleaning(min_language_probability=0.9), ("xx", "en"), FILES)


LINE = st.text(
    st.sampled_from("abC é\u0301中\r\u2028 .") | st.characters(codec="utf-8"), max_size=9
)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(LINE, LINE), min_size=1, max_size=9), max_size=4))
def test_the_index_finds_every_pair_that_was_kept(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[Pair]]
) -> None:
    folder = tmp_path_factory.mktemp("clean")
    raw = [block([(s.replace("\n", ""), t.replace("\n", "")) for s, t in b]) for b in blocks]
    cleaner = Cleaner(Cleaning(min_letters=0.0, min_native=0.0), GERMAN, FILES)
    write(cleaner.blocks(raw), folder, GERMAN)
    corpus = CleanCorpus(folder, GERMAN)
    pairs = list(read_pairs(folder / "pairs", GERMAN))
    assert len(pairs) == cleaner.kept
    assert corpus.pairs(np.arange(len(pairs), dtype=np.uint64)) == pairs
    index = np.concatenate([np.zeros(0, INDEX), *corpus.index()])
    assert index["source_form"].tolist() == form_hashes(p[0] for p in pairs).tolist()
    assert index["tokens"].tolist() == [len(p[1].split()) for p in pairs]
    assert sum(cleaner.dropped.values()) + cleaner.kept == cleaner.read == sum(map(len, blocks))


def test_monolingual_text_loses_what_is_held_out_and_what_pairs_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoding, "MOST", 0.5)
    parallel = form_hashes(["vier Hunde", "ein Haus", "vier Hunde"])
    cleaner = TextCleaner(Cleaning(), "de", form_hashes(["Ein Haus."]), parallel)
    blocks = [b"EIN HAUS!\nzwei  Katzen\n\n", b"\xff\ndrei\nVier Hunde.\n"]
    assert b"".join(cleaner.blocks(blocks, "text.de")) == b"zwei Katzen\ndrei\n"
    assert cleaner.record == TextRecord(
        read=6,
        kept=2,
        not_utf8_or_empty=2,
        dropped_as_leaks=1,
        in_parallel_corpora=1,
        languages=cleaner.record.languages,
    )


@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 2**64 - 1)), st.data())
def test_a_hash_is_among_those_known_or_not(
    known: list[int], others: list[int], data: st.DataObject
) -> None:
    asked = data.draw(st.permutations(known + others))
    found = among(np.array(asked, np.uint64), np.unique(np.array(known, np.uint64)))
    assert found.tolist() == [one in set(known) for one in asked]
