"""Files of text read alike, packed or not."""

import bz2
import codecs
import contextlib
import errno
import gzip
import lzma
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from nmt_ablation.errors import UserError

Stream = IO[bytes]
"""A file, or the unpacked content of one."""


_PACKED: Mapping[bytes, Callable[[BufferedReader], Stream]] = {
    b"\x1f\x8b": lambda file: cast(Stream, gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast(Stream, bz2.BZ2File(file)),
    b"\xfd7zXZ\0": lambda file: cast(Stream, lzma.LZMAFile(file)),  # noqa: SIM115
    b"\x28\xb5\x2f\xfd": lambda file: cast(Stream, zstd.ZstdFile(file)),
}
"""Ways to unpack a file, by its first bytes."""
_NO_TEXT = {
    codecs.BOM_UTF32_LE: "is UTF-32; convert it: iconv -f UTF-32 -t UTF-8",
    codecs.BOM_UTF32_BE: "is UTF-32; convert it: iconv -f UTF-32 -t UTF-8",
    codecs.BOM_UTF16_LE: "is UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    codecs.BOM_UTF16_BE: "is UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    b"PK\x03\x04": "is a zip archive; unpack it",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; unpack it",
    b"Rar!": "is a rar archive; unpack it",
}
"""Messages on files that should be text, by their first bytes; the longer ones first."""
HEAD = max(map(len, [*_PACKED, *_NO_TEXT]))
BOMB_BYTES, BOMB_RATIO = 1 << 28, 200
"""The size, and its ratio to the packed size, from which an archive is refused."""


def unpacked(file: BufferedReader) -> Stream:
    """Return a stream of a file's content, unpacked if it is packed by gzip, bzip2, xz or zstd."""
    head = file.peek(HEAD)
    for magic, stream in _PACKED.items():
        if head.startswith(magic):
            return stream(file)
    return cast(Stream, file)


def refuse_no_text(head: bytes, name: object) -> None:
    """Refuse content that begins as other files do than those of text in UTF-8.

    Raises:
        UserError: the message says what it is, and what to do.
    """
    for magic, message in _NO_TEXT.items():
        if head.startswith(magic):
            raise UserError(f"{name}: {message}")


def refuse_bomb(size: int, packed: int, name: object) -> None:
    """Refuse what would unpack to many times its size, as no text does.

    Raises:
        UserError: it would.
    """
    if size > BOMB_BYTES and size > BOMB_RATIO * packed:
        raise UserError(
            f"{name}: has {packed:,} bytes and unpacks to {size:,}, as no text does; get it again"
        )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a file of the user's.

    Raises:
        UserError: it is no file, or can't be read.
    """
    refuse_no_file(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    with file:
        yield file


def refuse_no_file(path: Path, remedy: str = "") -> None:
    """Refuse a path that is no plain file.

    Args:
        remedy: what to do if there is nothing.

    Raises:
        UserError: the message says what is there instead.
    """
    try:
        if path.is_file():
            return
        there = path.is_dir(), path.exists()
    except OSError as error:  # a name that is too long
        raise UserError(f"{path}: {error.strerror}") from None
    what = "is a folder" if there[0] else "is a device or a pipe" if there[1] else None
    if what:
        raise UserError(f"{path}: {what}, and should be a file")
    raise UserError(f"{path}: there is no such file{remedy}")


@contextlib.contextmanager
def readable(name: object) -> Iterator[None]:
    """Name the file in the error if it can't be unpacked.

    Raises:
        UserError: it is damaged.
    """
    try:
        yield
    except (
        zipfile.BadZipFile,
        gzip.BadGzipFile,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zstd.ZstdError,
        struct.error,
        NotImplementedError,  # zipfile's for a compression that it doesn't know,
        RuntimeError,  # and for what is encrypted
    ) as error:
        raise UserError(f"{name}: is damaged ({error}); get it again") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # bzip2's, and zipfile's for places before 0
            raise
        raise UserError(f"{name}: is damaged ({error}); get it again") from None
