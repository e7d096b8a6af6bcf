"""Reading, cleaning and holding out, and what is said of bad input."""

import gzip
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_ablation.corpus.clean import Cleaner
from nmt_ablation.corpus.hold_out import Pool, set_aside
from nmt_ablation.corpus.synthetic import write_mirror
from nmt_ablation.corpus.text import (
    normal_form,
    read_lines,
    read_opus_pairs,
    read_pair_of_files,
    tidy,
)
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cleaning


def _zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"Made.de-en.{name}", text)
    return path


class TestRead:
    def test_odd_characters_do_not_shift_the_sides(self, tmp_path: Path) -> None:
        source = "eins\rzwei\ndrei\u2028vier\n\ufefffünf\x00\nsechs\x85\n".encode()
        archive = _zip(tmp_path / "made.zip", de=source, en=b"1 2\n3 4\n5\n6\n")
        pairs = [(tidy(pair[0]), pair[1]) for pair in read_opus_pairs(archive, "de", "en") if pair]
        assert pairs == [("eins zwei", "1 2"), ("drei vier", "3 4"), ("fünf", "5"), ("sechs", "6")]

    def test_a_line_that_is_not_utf8_is_none_and_shifts_nothing(self, tmp_path: Path) -> None:
        archive = _zip(tmp_path / "made.zip", de=b"eins\n\xff\xfe\ndrei\n", en=b"1\n2\n3\n")
        assert list(read_opus_pairs(archive, "de", "en")) == [("eins", "1"), None, ("drei", "3")]

    def test_unequal_sides_are_refused(self, tmp_path: Path) -> None:
        archive = _zip(tmp_path / "made.zip", de=b"eins\nzwei\n", en=b"1\n")
        with pytest.raises(UserError, match=r"de-en\.en ends after line 1"):
            list(read_opus_pairs(archive, "de", "en"))

    def test_a_missing_side_is_refused(self, tmp_path: Path) -> None:
        archive = _zip(tmp_path / "made.zip", de=b"eins\n")
        with pytest.raises(UserError, match=r"one file that ends in \.en"):
            list(read_opus_pairs(archive, "de", "en"))

    def test_what_can_not_be_seen_hides_no_leak(self) -> None:
        assert normal_form("\ufeffein\u00adma\u200bl\x00 mehr") == normal_form("Einmal mehr!")

    def test_held_out_files_are_read_as_they_are(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes("\ufeff  Grüße \r\nzwei\u2028drei".encode())
        assert read_lines(tmp_path / "a") == ["  Grüße ", "zwei\u2028drei"]

    @pytest.mark.parametrize(
        ("source", "target", "message"),
        [
            (b"eins\n\xe4\n", b"1\n2\n", "source:2: is not UTF-8 .*0xe4.*iconv"),
            (b"eins\n", b"1\n2\n", "source has 1 lines and .*target has 2"),
            (b"", b"1\n", "source: is empty"),
            (b"eins\n\n", b"1\n2\n", "source:2: is empty"),
            (None, b"1\n", "source: there is no such file"),
        ],
    )
    def test_bad_held_out_files_are_refused(
        self, tmp_path: Path, source: bytes | None, target: bytes, message: str
    ) -> None:
        if source is not None:
            (tmp_path / "source").write_bytes(source)
        (tmp_path / "target").write_bytes(target)
        with pytest.raises(UserError, match=message):
            read_pair_of_files(tmp_path / "source", tmp_path / "target")

    @given(st.text())
    def test_tidy_text_is_one_line_in_any_program(self, text: str) -> None:
        line = tidy(text)
        assert len(line.splitlines()) <= 1
        assert tidy(line) == line

    @given(st.text())
    def test_the_normal_form_of_a_normal_form_is_itself(self, text: str) -> None:
        once = normal_form(tidy(text))
        assert normal_form(once.upper()) == normal_form(once.upper().lower())


class TestClean:
    def test_each_rule_takes_and_counts_what_it_should(self) -> None:
        cleaner = Cleaner(Cleaning(max_tokens=3, max_characters=20, max_ratio=3.0))
        good = [("ein Haus", "a house"), ("zwei", "two")]
        bad = [
            None,
            (" ", "x"),
            ("a b c d", "a b c"),
            ("x" * 21, "y" * 20),
            ("abcdefg", "xy"),
            ("same", "same"),
        ]
        assert list(cleaner.pairs([*good, *bad])) == good
        assert (cleaner.read, cleaner.kept) == (8, 2)
        assert set(cleaner.dropped.values()) == {1}
        assert cleaner.examples["too many tokens"] == [("a b c d", "a b c")]


class TestHoldOut:
    LINES = st.text(alphabet="abAB .", min_size=1, max_size=4)
    PAIRS = st.lists(st.tuples(LINES, LINES), max_size=60)

    @given(PAIRS, st.integers(0, 10), st.integers(0, 10))
    def test_nothing_held_out_is_left_on_either_side(
        self, pool: list[tuple[str, str]], n_test: int, n_valid: int
    ) -> None:
        sets = set_aside(lambda: pool, {"test": (n_test, []), "valid": (n_valid, [])})
        test, valid = sets["test"], sets["valid"]
        train = list(Pool(test + valid).of(pool))
        for one, other in ((train, test), (train, valid), (valid, test)):
            for side in (0, 1):
                forms = {normal_form(pair[side]) for pair in one}
                assert not forms & {normal_form(pair[side]) for pair in other}
        assert len(test) <= n_test


class TestSynthetic:
    def test_the_same_numbers_give_the_same_bytes(self, mirror: Path, tmp_path: Path) -> None:
        write_mirror(tmp_path, pairs=500, lines=2000, seed=3)
        files = [path.relative_to(mirror) for path in mirror.rglob("*") if path.is_file()]
        assert len(files) == 4
        for file in files:
            assert (tmp_path / file).read_bytes() == (mirror / file).read_bytes()

    def test_other_numbers_do_not_overwrite_a_version(self, tmp_path: Path) -> None:
        write_mirror(tmp_path, pairs=5, lines=5, seed=3)
        with pytest.raises(UserError, match="a version of a corpus never changes"):
            write_mirror(tmp_path, pairs=6, lines=5, seed=3)

    def test_it_is_zipfian_and_has_thousands_of_types(self, tmp_path: Path) -> None:
        write_mirror(tmp_path, pairs=100, lines=30_000, seed=1)
        for code in ("xx", "en"):
            with gzip.open(tmp_path / f"OPUS-Synthetic/v1/mono/{code}.txt.gz", "rt") as file:
                words = file.read().replace(".", "").split()
            counts = sorted((words.count(word) for word in set(words[:3000])), reverse=True)
            assert len(set(words)) >= 2000
            assert counts[0] > 20 * counts[100] > 0
