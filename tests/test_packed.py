"""Files of any packing, and files that are something else."""

import bz2
import gzip
import lzma
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from nmt_ablation.corpus.read import moses_pairs, own_pairs, text_blocks
from nmt_ablation.corpus.text import read_lines
from nmt_ablation.errors import UserError

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
TEXT = b"eins\nzwei drei\nvier\n" * 400


def ignore(done: float, whole: float) -> None:
    """Do nothing with progress."""


@pytest.mark.parametrize("packing", PACKERS)
class TestPacked:
    def test_every_reader_reads_every_packing(self, tmp_path: Path, packing: str) -> None:
        path = tmp_path / "text"  # no ending: the first bytes tell
        path.write_bytes(PACKERS[packing](TEXT))
        assert b"".join(text_blocks(path)) == TEXT
        assert read_lines(path) == TEXT.decode().splitlines()
        (pairs,) = own_pairs([path, path], ignore)
        assert pairs.source == pairs.target == TEXT

    def test_files_of_several_parts_are_read_whole(self, tmp_path: Path, packing: str) -> None:
        path = tmp_path / "text"
        path.write_bytes(PACKERS[packing](TEXT) * 2)
        assert b"".join(text_blocks(path)) == TEXT * 2

    def test_a_damaged_one_is_named(self, tmp_path: Path, packing: str) -> None:
        if packing == "plain":
            return
        path = tmp_path / "text"
        path.write_bytes(PACKERS[packing](os.urandom(9999))[:5000])
        for read in (text_blocks, read_lines):
            with pytest.raises(UserError, match=r"text: is damaged .*; get it again"):
                list(read(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (TEXT.decode().encode("utf-16"), "is UTF-16; convert it: iconv -f UTF-16"),
        (TEXT.decode().encode("utf-32"), "is UTF-32; convert it"),
        (b"PK\x03\x04 and more", "is a zip archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c and more", "is a 7z archive; unpack it"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(tmp_path: Path, content: bytes, says: str) -> None:
    path, other = tmp_path / "text", tmp_path / "other"
    path.write_bytes(content)
    other.write_bytes(TEXT)
    for read in (
        lambda: list(text_blocks(path)),
        lambda: read_lines(path),
        lambda: list(own_pairs([path, other], ignore)),
        lambda: list(own_pairs([other, path], ignore)),
    ):
        with pytest.raises(UserError, match=says):
            read()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/dev/zero", "/dev/zero: is a device or a pipe, and should be a file"),
        ("/usr", "/usr: is a folder, and should be a file"),
        ("/nowhere", "/nowhere: there is no such file"),
        ("/" + "x" * 300, "name too long"),
    ],
)
def test_what_is_no_file_is_refused(path: str, says: str) -> None:
    for read in (text_blocks, read_lines):
        with pytest.raises(UserError, match=says):
            list(read(Path(path)))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for side in ("de", "en"):
            with archive.open(f"Bomb.de-en.{side}", "w", force_zip64=True) as member:
                for _ in range(300):
                    member.write(b"a\n" * (1 << 19))
    with pytest.raises(
        UserError, match=r"Bomb\.de-en\.de: has .* bytes and unpacks to 314,572,800"
    ):
        list(moses_pairs(bomb, ("de", "en"), False, ignore))
