"""Measurements of lines agree with the plain definitions, for any text."""

import unicodedata

import numpy as np
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nmt_ablation.corpus.hashes import hash_texts
from nmt_ablation.corpus.measure import Lines, Measure, form_hashes, scripts
from nmt_ablation.corpus.text import normal_form, tidy

# Mostly what is odd: marks that compose, jamo, ligatures, controls, spaces of all kinds, symbols.
ODD = (
    "aZ é\u0301\u0327ßİıﬁ½Åﾊﾟ각ᄀ\u1161\u11a8ا\u064bक\u093c中ー１!؟、♪😀"
    "\t\r\x00\x85\u2028\u00a0\u3000\ufeff\u00ad\u200d"
)
TEXT = st.text(st.sampled_from(ODD) | st.characters(codec="utf-8"), max_size=30)
LINES = st.lists(TEXT.map(lambda text: text.replace("\n", "")), max_size=8)


def measure(*lines: str, language: str = "en") -> Lines:
    return Measure(language).lines("".join(line + "\n" for line in lines).encode())


class TestMeasure:
    @settings(deadline=None)  # the first call compiles
    @given(LINES)
    @example(["e\u0301", "\u0301e", "\r", "a\r", "각", "ᄀ\u1161\u11a8", "  a  b ", ""])
    def test_it_says_of_each_line_what_the_definitions_say(self, lines: list[str]) -> None:
        measured = measure(*lines)
        clean = [tidy(line.removesuffix("\r")) for line in lines]
        assert measured.text.decode() == "".join(line + "\n" for line in clean)
        assert measured.octets.tolist() == [len(line.encode()) for line in clean]
        assert measured.characters.tolist() == [len(line) for line in clean]
        assert measured.tokens.tolist() == [len(line.split()) for line in clean]
        assert measured.solid.tolist() == [len(line.replace(" ", "")) for line in clean]
        letters = [len(regex.findall(r"[\p{L}\p{M}]", line)) for line in clean]
        assert measured.letters.tolist() == letters
        assert measured.form.tolist() == form_hashes(clean).tolist()
        assert measured.exact.tolist() == hash_texts(clean).tolist()
        changed = sum(old.removesuffix("\r") != new for old, new in zip(lines, clean, strict=True))
        assert measured.controls + measured.respelled == changed

    def test_every_character_alone_has_the_normal_form_that_is_defined(self) -> None:
        every = [
            c for c in map(chr, range(0x110000)) if c != "\n" and not "\ud800" <= c <= "\udfff"
        ]
        clean = [tidy(c) for c in every]
        assert np.array_equal(measure(*every).form, form_hashes(clean))

    def test_lines_can_be_taken_out_one_by_one_and_together(self) -> None:
        measured = measure("eins", "", "zwei drei", "vier")
        assert [measured.line(number) for number in range(4)] == ["eins", "", "zwei drei", "vier"]
        assert measured.keep(np.array([True, False, True, False])) == b"eins\nzwei drei\n"

    def test_odd_characters_do_not_make_or_hide_lines(self) -> None:
        measured = Measure("de").lines(b"eins\rzwei\r\ndrei\xe2\x80\xa8vier\n\xef\xbb\xbff\x00\n\n")
        assert measured.text == b"eins zwei\ndrei vier\nf\n\n"
        assert (measured.controls, measured.respelled) == (3, 0)

    def test_a_line_that_is_not_utf8_is_marked_and_shifts_nothing(self) -> None:
        measured = Measure("de").lines(b"eins\n\xff\xfe\ndrei\n")
        assert measured.text == b"eins\n\ndrei\n"
        assert measured.not_utf8.tolist() == [False, True, False]

    @pytest.mark.parametrize("form", ["NFC", "NFKC", "none"])
    def test_text_is_brought_to_the_unicode_form_asked_for(self, form: str) -> None:
        line = "e\u0301 ﬁ １"
        measured = Measure("en", form).lines(f"{line}\n".encode())  # type: ignore[arg-type]
        wanted = line if form == "none" else unicodedata.normalize(form, line)  # type: ignore[arg-type]
        assert measured.line(0) == wanted

    @pytest.mark.parametrize(
        ("language", "own", "foreign"),
        [
            ("be", "Дзень добры", "Dzień dobry"),
            ("fa", "سلام دنیا", "привет"),
            ("zh_cn", "你好，世界", "hello"),
            ("ja", "カタカナとひらがなと漢字", "hello"),
            ("ko", "안녕하세요", "Привет"),
            ("hi", "नमस्ते दुनिया", "hello"),
            ("gl", "Bos días", "Добры дзень"),
        ],
    )
    def test_letters_of_a_languages_script_are_told_from_others(
        self, language: str, own: str, foreign: str
    ) -> None:
        measured = measure(own, foreign, language=language)
        assert measured.native[0] == measured.letters[0] > 0
        assert measured.native[1] == 0 < measured.letters[1]

    def test_regional_codes_have_the_script_of_their_region(self) -> None:
        assert scripts("zh_TW") == scripts("cmn") == ("Hani",)
        assert scripts("pt_br") == ("Latn",)


def test_what_can_not_be_seen_hides_no_leak() -> None:
    assert normal_form("\ufeffein\u00adma\u200bl\x00 mehr") == normal_form("Einmal mehr!")


@given(st.text())
def test_tidy_text_is_one_line_in_any_program(text: str) -> None:
    line = tidy(text)
    assert len(line.splitlines()) <= 1
    assert tidy(line) == line


def test_hashes_are_the_same_on_every_machine() -> None:
    hashes = [857940827738970641, 2242474362899842276, 5551297587756739249]
    assert hash_texts(["ein Haus", "家", ""]).tolist() == hashes
