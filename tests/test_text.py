"""Reading, cleaning and holding out, and what is said of bad input."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from nmt_ablation.corpus.text import read_lines, read_pair_of_files
from nmt_ablation.errors import UserError
from nmt_ablation.opus.synthetic import write_mirror


class TestHeldOutFiles:
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
            counts = [count for _, count in Counter(words).most_common()]
            assert len(counts) >= 2000
            assert counts[0] > 20 * counts[100]
