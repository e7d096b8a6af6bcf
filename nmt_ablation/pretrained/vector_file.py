"""A reader of pretrained vectors, which parses and keeps only the vectors asked for.

The first bytes of a file, unpacked if necessary, tell its format:
  text               `token v1 … vd` on each line, after a line `rows d` (fastText, MUSE, word2vec)
                     or without one (GloVe)
  word2vec's binary  `rows d`, then each token, a space, and d numbers in float32
  fastText's .bin    a whole model, which composes vectors of unseen tokens from their n-grams
"""

import codecs
import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.corpus.text import is_number
from nmt_ablation.errors import UserError
from nmt_ablation.packed import Stream, opened, readable, unpacked
from nmt_ablation.progress import OnProgress

HEAD = 1 << 20
"""Bytes that tell a file's format: at least two lines."""
CHUNK = 1 << 20
"""Bytes that are read at a time."""
LONGEST_LINE = 1 << 24
LONGEST_TOKEN = 1 << 12
LARGEST_DIMENSION = 1 << 16
"""The largest dimension that vectors may have; files that claim more are damaged or no vectors."""
ROWS = 1 << 12
"""Rows of a fastText matrix in memory at once."""
LINES = 1 << 12
"""Lines between two reports of progress."""
NOT_UTF8 = 100
"""One token in this many may be invalid UTF-8: word2vec cuts tokens at 100 bytes, and fastText
published files with such tokens (its issue 954). More of them mean another encoding."""

_MAGIC = struct.pack("<i", 793712314)  # fastText's, since 2017
_ARGUMENTS = struct.Struct("<14id")
_COUNTS = struct.Struct("<3i2q")
_SHAPE = struct.Struct("<?2q")

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """The vectors that a file has for the wanted tokens."""

    tokens: list[str]
    """Tokens with a vector, in the order in which they were asked for."""
    values: _Floats
    """Vectors as the file has them: tokens x dimension."""
    composed: frozenset[str]
    """Tokens that a fastText model doesn't list; their vectors are composed of n-grams."""
    duplicates: int
    """The number of further vectors of these tokens; the first of several is taken."""

    @property
    def dimension(self) -> int:
        return int(self.values.shape[1])


def read(path: Path, wanted: Sequence[str], progress: OnProgress) -> Vectors:
    """Read the vectors that a file has for some tokens.

    All lines of a text file must have equally many numbers; only those of wanted tokens are parsed.
    Tokens may contain spaces, as GloVe's do, but not end in a space and a number, which is an error
    in the line.

    Args:
        path: the file.
        wanted: the tokens.
        progress: a callback for progress in bytes of the file.

    Raises:
        UserError: the file can't be read or unpacked, has none of the three formats, is cut off or
            longer than it says, a line has the wrong number of fields, more than one token in
            `NOT_UTF8` is not UTF-8, or a wanted vector has a number that is not finite.
    """
    with _open(path, progress) as file:
        head = file.stream.read(HEAD)
    if not head:
        raise UserError(f"{path}: is empty; fetch it again")
    with _open(path, progress) as file:
        if head.startswith(_MAGIC):
            vectors = _read_fasttext(file, wanted)
        elif (header := _header(path, head)) is None:
            vectors = _read_text(file, None, _dimension(path, head), wanted)
        elif _is_binary(head.partition(b"\n")[2], header[1]):
            vectors = _read_binary(file, *header, wanted)
        else:
            vectors = _read_text(file, *header, wanted)
        file.progress()
    return vectors


class _File:
    """A file that is read from start to end, and unpacked if necessary."""

    def __init__(self, path: Path, stream: Stream, packed: IO[bytes], progress: OnProgress) -> None:
        self.path, self.stream, self._packed, self._report = path, stream, packed, progress
        self._whole = path.stat().st_size
        self._chunk, self._at, self._before = b"", 0, 0

    @property
    def offset(self) -> int:
        """Bytes that `until` and `take` have read."""
        return self._before + self._at

    def progress(self) -> None:
        self._report(self._packed.tell(), self._whole)

    def until(self, end: bytes) -> bytes:
        """Read up to the next byte `end`, which is skipped."""
        while (found := self._chunk.find(end, self._at)) < 0:
            if len(self._chunk) - self._at > LONGEST_TOKEN:
                break
            self._more(CHUNK)
        taken = self._chunk[self._at : found]
        if found < 0 or len(taken) > LONGEST_TOKEN:
            raise self.damaged(f"a token that doesn't end within {LONGEST_TOKEN:,} bytes")
        self._at = found + 1
        return taken

    def take(self, size: int) -> bytes:
        """Read a number of bytes."""
        while (missing := self._at + size - len(self._chunk)) > 0:
            self._more(max(missing, CHUNK))
        self._at += size
        return self._chunk[self._at - size : self._at]

    def rest(self) -> bytes:
        """Read the rest of the file, or its first chunk."""
        return self._chunk[self._at :] + self.stream.read(CHUNK)

    def damaged(self, what: str) -> UserError:
        return UserError(f"{self.path}: has {what} at byte {self.offset:,}; fetch it again")

    def _more(self, size: int) -> None:
        more = self.stream.read(size)
        if not more:
            end = self._before + len(self._chunk)
            raise UserError(
                f"{self.path}: is cut off at byte {end:,}, amid what starts at byte "
                f"{self.offset:,}; fetch it again"
            )
        self._before += self._at
        self._chunk, self._at = self._chunk[self._at :] + more, 0
        self.progress()


class _Found:
    """The wanted tokens that have been found so far in a file, and their vectors."""

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        self.path = path
        self.wanted = {token.encode(): token for token in wanted}
        self.rows: dict[bytes, _Floats] = {}
        self.duplicates = 0
        self._found: set[bytes] = set()
        self._seen = self._not_utf8 = 0
        self._first_not_utf8 = ""

    def is_new(self, token: bytes, place: str) -> bool:
        """Count a token at some place, and return True if it is wanted and occurs first."""
        self._seen += 1
        if token in self.wanted:
            if token not in self._found:
                self._found.add(token)
                return True
            self.duplicates += 1
        elif not token.isascii() and not _is_utf8(token):
            self._not_utf8 += 1
            self._first_not_utf8 = self._first_not_utf8 or place
        return False

    def add(self, token: bytes, row: _Floats, place: str) -> None:
        if not np.isfinite(row).all():
            raise UserError(
                f"{self.path}{place}: the vector of '{self.wanted[token]}' has a number that isn't "
                "finite; remove it from the file, or fetch the file again"
            )
        self.rows[token] = row

    def check_encoding(self) -> None:
        if self._not_utf8 * NOT_UTF8 > self._seen:
            raise UserError(
                f"{self.path}{self._first_not_utf8}: the token is not UTF-8, nor are "
                f"{self._not_utf8 - 1:,} others of {self._seen:,}; convert the file, e.g. with "
                "iconv, or fetch it again"
            )

    def vectors(self, dimension: int, composed: frozenset[str] = frozenset()) -> Vectors:
        found = [token for token in self.wanted if token in self.rows]
        values = np.empty((len(found), dimension), np.float32)
        for at, token in enumerate(found):
            values[at] = self.rows[token]
        tokens = [self.wanted[token] for token in found]
        return Vectors(tokens, values, composed, self.duplicates)


def _read_text(file: _File, rows: int | None, dimension: int, wanted: Sequence[str]) -> Vectors:
    found = _Found(file.path, wanted)
    lines = enumerate(iter(partial(file.stream.readline, LONGEST_LINE), b""), 1)
    number = 0
    if rows is not None:
        number, _ = next(lines)
    headers = number
    for number, line in lines:
        place = f":{number}"
        if rows is not None and number - headers > rows:
            raise UserError(
                f"{file.path}{place}: is one line more than the {rows:,} that the first line "
                "promises; put it right, or fetch the file again"
            )
        line = line.rstrip(b" \r\n")
        token = _token(file.path, number, line, dimension)
        if found.is_new(token, place):
            fields = line[len(token) + 1 :].split(b" ")
            with np.errstate(
                over="ignore"
            ):  # numbers beyond float32 become infinite; `add` refuses
                try:
                    row = np.array(fields, np.float32)
                except ValueError:
                    wrong = next(field for field in fields if not is_number(field))
                    raise UserError(
                        f"{file.path}{place}: {_shown(wrong)} is no number; fetch the file again"
                    ) from None
            found.add(token, row, place)
        if number % LINES == 0:
            file.progress()
    if rows is not None and number - headers < rows:
        raise UserError(
            f"{file.path}:{number}: the file ends here, after {number - headers:,} vectors of the "
            f"{rows:,} that the first line promises; fetch it again"
        )
    found.check_encoding()
    return found.vectors(dimension)


def _token(path: Path, number: int, line: bytes, dimension: int) -> bytes:
    """Return the token of a line, after which `dimension` fields follow.

    Raises:
        UserError: the line has another number of fields.
    """
    surplus = line.count(b" ") - dimension
    if surplus == 0:
        return line[: line.index(b" ")]
    if surplus > 0:
        token = line.rsplit(b" ", dimension)[0]
        if not is_number(token.rpartition(b" ")[2]):
            return token
    raise UserError(
        f"{path}:{number}: has {dimension + surplus:,} numbers and should have {dimension:,}; if "
        "it is the last line, the file is cut off: fetch it again"
    )


def _read_binary(file: _File, rows: int, dimension: int, wanted: Sequence[str]) -> Vectors:
    found = _Found(file.path, wanted)
    file.until(b"\n")
    for _ in range(rows):
        start = file.offset
        # word2vec itself ends each vector with a line feed, gensim does not.
        token = file.until(b" ").lstrip(b"\n")
        values = file.take(4 * dimension)
        place = f" at byte {start:,}"
        if found.is_new(token, place):
            found.add(token, np.frombuffer(values, "<f4"), place)
    # The encoding is checked first: one lost byte shifts all tokens after it.
    found.check_encoding()
    if file.rest().strip(b"\n"):
        raise file.damaged(f"more than the {rows:,} vectors that its first line promises")
    return found.vectors(dimension)


def _read_fasttext(file: _File, wanted: Sequence[str]) -> Vectors:
    # Not by gensim: it loads the whole model, several gigabytes for published ones, and hangs if a
    # file is cut off amid its words. Only the hashes of n-grams are gensim's.
    from gensim.models.fasttext import ft_ngram_hashes

    found = _Found(file.path, wanted)
    arguments = _ARGUMENTS.unpack(file.take(_ARGUMENTS.size))
    dimension, buckets, shortest, longest = (arguments[at] for at in (2, 10, 11, 12))
    listed, words, _, _, pruned = _COUNTS.unpack(file.take(_COUNTS.size))
    if min(listed, words, buckets, shortest, longest) < 0:
        raise file.damaged("numbers below nought where its words are counted")
    own: dict[bytes, int] = {}
    for row in range(listed):
        place = f" at byte {file.offset:,}"
        token = file.until(b"\0")
        file.take(9)  # the token's count, and its type: word or label
        if row < words and found.is_new(token, place):  # labels follow the words
            own[token] = row
    found.check_encoding()
    quantised, rows, columns = _SHAPE.unpack(file.take(_SHAPE.size))
    if quantised or pruned > 0:
        raise UserError(f"{file.path}: is quantised (.ftz); take the .bin that it was made of")
    if columns != dimension or not 0 < dimension <= LARGEST_DIMENSION or rows < words + buckets:
        raise file.damaged(f"a matrix of {rows:,} x {columns:,} that doesn't fit its model")

    # A vector is the mean of the token's own row, if it has one, and of the rows of its n-grams.
    parts: list[NDArray[np.int64]] = []
    for encoded, wish in found.wanted.items():
        # fastText makes no n-grams of the end of a sentence.
        has_grams = longest > 0 and buckets > 0 and wish != "</s>"
        grams = ft_ngram_hashes(wish, shortest, longest, buckets) if has_grams else []
        mine = [own[encoded]] if encoded in own else []
        parts.append(np.array([*mine, *(words + gram for gram in grams)], np.int64))
    counts = np.array([part.size for part in parts], np.int64)
    needed = np.concatenate([*parts, np.array([], np.int64)])
    order = np.argsort(needed, kind="stable")
    needed, owners = needed[order], np.repeat(np.arange(counts.size), counts)[order]

    sums = np.zeros((counts.size, dimension), np.float32)
    for first in range(0, rows, ROWS):
        block = np.frombuffer(file.take(4 * dimension * min(ROWS, rows - first)), "<f4")
        here = slice(*np.searchsorted(needed, (first, first + ROWS)))
        with np.errstate(over="ignore", invalid="ignore"):  # `add` refuses what isn't finite
            np.add.at(sums, owners[here], block.reshape(-1, dimension)[needed[here] - first])
    for encoded, total, count in zip(found.wanted, sums, counts, strict=True):
        if count:
            found.add(encoded, total / np.float32(count), "")
    composed = frozenset(found.wanted[token] for token in found.rows.keys() - own.keys())
    return found.vectors(dimension, composed)


@contextlib.contextmanager
def _open(path: Path, progress: OnProgress) -> Iterator[_File]:
    """Open a file, unpacked if its first bytes say that it is packed."""
    with opened(path) as packed, readable(path):
        yield _File(path, unpacked(packed), packed, progress)


def _header(path: Path, head: bytes) -> tuple[int, int] | None:
    """Return the number of vectors and their dimension, if the first line has them."""
    fields = head.partition(b"\n")[0].split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    rows, dimension = map(int, fields)
    if not rows or not 0 < dimension <= LARGEST_DIMENSION:
        raise UserError(
            f"{path}: its first line promises {rows:,} vectors of {dimension:,} numbers, which "
            "can't be; fetch it again"
        )
    return rows, dimension


def _is_binary(body: bytes, dimension: int) -> bool:
    """Return True if word2vec's binary follows a header; False for text, even if it is faulty."""
    fields = body.partition(b"\n")[0].rstrip(b" \r").split(b" ")
    if len(fields) > dimension and all(map(is_number, fields[-dimension:])):
        return False
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(body[:LONGEST_TOKEN])
    except UnicodeDecodeError:
        return True
    return any(character < " " and character not in "\t\r\n" for character in text)


def _dimension(path: Path, head: bytes) -> int:
    """Return the dimension of text without a header.

    Raises:
        UserError: the file is of no known format.
    """
    line, _, _ = head.partition(b"\n")
    fields = line.rstrip(b" \r").split(b" ")[1:]
    dimension = next(
        (at for at, field in enumerate(reversed(fields)) if not is_number(field)), len(fields)
    )
    if dimension:
        return dimension
    if head.startswith(b"PK\x03\x04"):
        raise UserError(f"{path}: is a zip archive; unpack it")
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{path}: is a web page, not vectors; fetch it again")
    raise UserError(
        f"{path}: starts with {_shown(line)}, which is neither `rows dimension` nor a token and "
        "numbers; name a file of text, word2vec's binary or fastText's .bin"
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(text: bytes) -> str:
    """Return the beginning of a text, for a message of one line."""
    return repr(text[:40].decode(errors="backslashreplace"))
