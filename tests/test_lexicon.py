"""Lexicons: read from files, of words spelled alike, and induced from sentence pairs."""

import random
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_ablation.errors import UserError
from nmt_ablation.opus.synthetic import Language, Lexeme, Zipfian
from nmt_ablation.pretrained.lexicon import Entry, identical, induced, read_lexicon
from nmt_ablation.segmentation import JOINER, Words

LINES = st.lists(st.lists(st.sampled_from("abcde"), max_size=5), max_size=12)


def sentences(seed: int, pairs: int) -> tuple[list[list[str]], list[list[str]]]:
    """Sentence pairs of the made-up language, as words."""
    language, chance = Language(seed), random.Random(seed)
    source, target = zip(*(language.sentence(chance) for _ in range(pairs)), strict=True)
    return [Words().encode(line) for line in source], [Words().encode(line) for line in target]


def stems(seed: int) -> dict[str, set[str]]:
    """For each English stem of the made-up language the source words that stand for it."""
    language = Language(seed)
    content: list[Zipfian] = [
        *language.nouns.values(),
        *(verbs for verbs, _, _ in language.verbs),
        *language.adjectives.values(),
        language.names,
        language.adverbs,
    ]
    lexemes: list[Lexeme] = [lexeme for words in content for lexeme in words.lexemes]
    found: dict[str, set[str]] = defaultdict(set)
    for lexeme in lexemes:
        # Plurals and pasts share most of their stem with the base form: wolves, stole, cities.
        for english in (lexeme.target, lexeme.past or lexeme.target):
            found[english[:3].lower()].add(lexeme.source.lower())
    return found


def is_translation(entry: Entry, known: dict[str, set[str]]) -> bool:
    source, target = (word.strip(JOINER).lower() for word in entry)
    return any(source.startswith(stem) for stem in known[target[:3]])


class TestFiles:
    def test_words_stand_apart_by_spaces_or_a_tab(self, tmp_path: Path) -> None:
        path = tmp_path / "de-en.txt"
        path.write_bytes("Haus house\r\nTür\tdoor\nNew\u00a0York  Big\u00a0Apple \n".encode())
        assert read_lexicon(path) == [
            ("Haus", "house"),
            ("Tür", "door"),
            ("New\u00a0York", "Big\u00a0Apple"),
        ]

    @pytest.mark.parametrize("line", ["Haus", "Haus the house", ""])
    def test_a_line_that_is_not_two_words_is_named(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "de-en.txt"
        path.write_text(f"Tür door\n{line}\nTor gate\n")
        with pytest.raises(UserError, match=rf"de-en.txt:2: '{line}' is no lexicon entry; write"):
            read_lexicon(path)


class TestIdentical:
    def test_only_words_of_letters_count_whatever_marks_segmentation_adds(self) -> None:
        source = ["▁Berlin", "Jazz", "die", "1945", "Kult@@", f"Taxi{JOINER}", "a-b-c-d", "हिन्दी"]
        target = ["हिन्दी", f"Taxi{JOINER}", "Kult@@", "1945", "die", "Jazz", "▁Berlin", "a-b-c-d"]
        words = ["▁Berlin", "Jazz", "Kult@@", f"Taxi{JOINER}"]
        assert identical(source, target) == [(word, word) for word in words]

    def test_a_mark_that_one_side_lacks_makes_another_token(self) -> None:
        assert identical(["▁Berlin"], ["Berlin"]) == []

    def test_of_the_made_up_language_they_are_its_names(self) -> None:
        source, target = sentences(seed=3, pairs=2000)
        types = [sorted({token for line in side for token in line}) for side in (source, target)]
        entries = identical(*types)
        names = {lexeme.target for lexeme in Language(3).names.lexemes}
        assert len(entries) > 50
        assert sum(word in names for word, _ in entries) > 0.95 * len(entries)


class TestInduced:
    @pytest.mark.parametrize(("pairs", "least"), [(500, 250), (10_000, 1500)])
    def test_nearly_all_are_translations(self, pairs: int, least: int) -> None:
        entries, known = induced(*sentences(seed=3, pairs=pairs)), stems(3)
        # Function words have no stems, and come to some 20.
        right = sum(is_translation(entry, known) for entry in entries)
        assert right > least
        assert right > 0.9 * len(entries)

    def test_no_word_has_two_translations(self) -> None:
        entries = induced(*sentences(seed=1, pairs=500))
        for words in zip(*entries, strict=True):
            assert len(set(words)) == len(words)

    @settings(deadline=None)
    @given(LINES, st.randoms())
    def test_the_order_of_sentences_does_not_matter(
        self, lines: list[list[str]], chance: random.Random
    ) -> None:
        pairs = [(line, [word.upper() for word in reversed(line)]) for line in lines]
        shuffled = chance.sample(pairs, len(pairs))
        one, other = (
            induced([source for source, _ in order], [target for _, target in order])
            for order in (pairs, shuffled)
        )
        assert one == other

    def test_words_that_meet_once_are_not_paired(self) -> None:
        assert induced([["a"], ["b"], ["b"]], [["A"], ["B"], ["B"]]) == [("b", "B")]

    def test_words_that_always_stand_together_are_not_guessed_apart(self) -> None:
        source, target = [["a", "b"], ["c"]] * 2, [["A", "B"], ["C"]] * 2
        assert induced(source, target) == [("c", "C")]

    def test_words_that_meet_no_more_than_by_chance_are_not_paired(self) -> None:
        assert induced([["a"], ["a"]], [["A"], ["A"]]) == []
        assert induced([], []) == []
