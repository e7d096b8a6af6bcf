"""Languages and encodings of text: nothing the wrong way round passes unsaid."""

import numpy as np
import pytest

from nmt_ablation.corpus.clean import Cleaner
from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.encoding import Undecoded, fitting
from nmt_ablation.corpus.identify import FEWEST, Identified, SideLanguages
from nmt_ablation.corpus.read import RawBlock
from nmt_ablation.errors import UserError
from tests.sentences import ENGLISH, FRENCH, GERMAN, many

FILES = ("train.de", "train.en")


def block(*sides: list[str], encodings: tuple[str, str] = ("utf-8", "utf-8")) -> RawBlock:
    source, target = (
        "".join(f"{line}\n" for line in side).encode(encoding)
        for side, encoding in zip(sides, encodings, strict=True)
    )
    return RawBlock(source, target, None)


def clean(raw: RawBlock, languages: tuple[str, str] = ("de", "en")) -> Cleaner:
    cleaner = Cleaner(Cleaning(), languages, FILES)
    for _ in cleaner.blocks([raw]):
        pass
    return cleaner


class TestLanguages:
    def test_text_in_its_own_language_is_no_news(self) -> None:
        found = clean(block(many(GERMAN), many(ENGLISH))).found
        assert found is not None and not list(found.unlike(("de", "en")))

    def test_swapped_sides_are_refused(self) -> None:
        says = r"train\.de train\.en: its sides are swapped: the source is in en.*write pair: en-de"
        with pytest.raises(UserError, match=says):
            clean(block(many(ENGLISH), many(GERMAN)))

    def test_another_language_is_told_and_not_refused(self) -> None:
        found = clean(block(many(GERMAN), many(FRENCH))).found
        assert found is not None
        assert list(found.unlike(("de", "en"))) == [("target", "fr", "en")]

    def test_a_mixture_passes(self) -> None:
        mixed = [*many(ENGLISH), *many(FRENCH, 5)]
        assert Identified.of(mixed).instead("en") is None
        assert Identified.of(mixed).instead("fr") is None

    @pytest.mark.parametrize("expected", ["xx", "tlh"])
    def test_nothing_is_said_of_a_language_that_nobody_knows(self, expected: str) -> None:
        assert Identified.of(many(GERMAN)).instead(expected) is None

    @pytest.mark.parametrize(("text", "expected"), [("no", "nb"), ("hr", "sr"), ("da", "nb")])
    def test_a_close_language_passes(self, text: str, expected: str) -> None:
        assert Identified({text: 100}).instead(expected) is None

    def test_too_little_text_says_nothing(self) -> None:
        assert Identified({"en": FEWEST - 1}).instead("de") is None
        SideLanguages.of(ENGLISH[:2], GERMAN[:2], ("de", "en"), "tiny")

    def test_macrolanguages_and_regions_are_their_language(self) -> None:
        assert Identified({"zh": 100}).instead("cmn") is None
        assert Identified({"pt": 100}).instead("pt_br") is None


class TestEncodings:
    @pytest.mark.parametrize(
        ("sentences", "language", "encoding"),
        [
            (GERMAN, "de", "cp1252"),
            (FRENCH, "fr", "cp1252"),
            (
                ["Człowiek siedzi przy oknie, a żółta łódź płynie.", "Mąż gra w pociągu."],
                "pl",
                "cp1250",
            ),
            (["Çocuklar bahçede oynuyor, güneş ışığı çok güzel."], "tr", "cp1254"),
            (["Мальчик играет в футбол за домом.", "Зимой идёт снег."], "ru", "koi8_r"),
            (["一个男人坐在窗边看报纸。", "两个女孩在花园里踢足球。"], "zh", "gb18030"),
        ],
    )
    def test_the_true_one_is_named(
        self, sentences: list[str], language: str, encoding: str
    ) -> None:
        lines = [line.encode(encoding) for line in many(sentences)]
        assert encoding in fitting(lines, language)

    def test_noise_is_none(self) -> None:
        noise = np.random.default_rng(1).integers(128, 256, (40, 99), np.uint8)
        assert fitting([bytes(row) for row in noise], "de") == []

    def test_a_side_in_another_encoding_is_refused_with_its_file_and_line(self) -> None:
        raw = block(many(GERMAN), many(ENGLISH), encodings=("cp1252", "utf-8"))
        says = (
            r"train\.de:2: is the first of 70 lines that are not UTF-8, among 80\. It reads as cp"
        )
        with pytest.raises(UserError, match=says):
            clean(raw)

    @pytest.mark.parametrize(("bad", "refused"), [(1, False), (2, True)])
    def test_one_line_in_a_hundred_may_be_lost(self, bad: int, refused: bool) -> None:
        undecoded = Undecoded("train.de", "de")
        lines = ["Grüße".encode("cp1252")] * bad + [b"eins"] * (100 - bad)
        flags = np.array([True] * bad + [False] * (100 - bad))
        undecoded.add(b"\n".join(lines) + b"\n", flags)
        if not refused:
            undecoded.refuse_many()
            return
        with pytest.raises(
            UserError, match=r"train\.de:1: is the first of 2 lines that are not UTF-8, among 100"
        ):
            undecoded.refuse_many()
