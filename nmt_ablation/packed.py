"""Files read alike, gzipped or not."""

import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedReader
from typing import IO

from nmt_ablation.errors import UserError

_GZIP = b"\x1f\x8b"


def unpacked(file: BufferedReader) -> IO[bytes] | gzip.GzipFile:
    """Return a stream of a file's content, unpacked if its first bytes are gzip's."""
    return gzip.GzipFile(fileobj=file) if file.peek(len(_GZIP)).startswith(_GZIP) else file


@contextlib.contextmanager
def readable(name: object) -> Iterator[None]:
    """Name the file in the error if it can't be unpacked.

    Raises:
        UserError: it is damaged.
    """
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{name}: is damaged ({error}); get it anew") from None
