"""Reading text without shifting it, and the normal form by which sentences are compared."""

import codecs
import gzip
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

import regex

from nmt_ablation.errors import UserError

Pair = tuple[str, str]

# A line ends at LF and nowhere else. Other controls and separators (a lone CR, NUL, NEL, BOM,
# U+2028) would end it for some other program, and shift the two sides against each other.
_NOT_TEXT = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}\uFEFF]+")
_INVISIBLE = regex.compile(r"\p{Cf}+")  # soft hyphens, joiners, marks of direction
_SPACES = regex.compile(r"\s+")
_NOT_WORDS = regex.compile(r"[\p{P}\p{S}\s]+")


def tidy(line: str) -> str:
    """NFC, without control characters, each run of white space one space, none at the ends."""
    line = unicodedata.normalize("NFC", _NOT_TEXT.sub(" ", line))
    return _SPACES.sub(" ", line).strip()


def normal_form(line: str) -> str:
    """What two sentences have in common that count as the same: words, but not case, width,
    punctuation or spacing. A line without words is its own normal form."""
    folded = _INVISIBLE.sub("", unicodedata.normalize("NFKC", _NOT_TEXT.sub(" ", line)).casefold())
    return _NOT_WORDS.sub(" ", folded).strip() or _SPACES.sub(" ", folded).strip()


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, exactly as they stand but for line ends and a byte order mark.

    Raises:
        UserError: it doesn't exist, is empty, or a line is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    if not any(line.strip() for line in lines):
        raise UserError(f"{path}: is empty")
    return [_decode(line, path, number) for number, line in enumerate(lines, 1)]


def read_pair_of_files(source: Path, target: Path) -> list[Pair]:
    """The pairs of two files that hold the same sentences, line by line.

    Raises:
        UserError: either can't be read, or they differ in their number of lines.
    """
    sides = read_lines(source), read_lines(target)
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            f"{source} has {len(sides[0])} lines and {target} has {len(sides[1])}; "
            "line n of one must be the translation of line n of the other"
        )
    for number, pair in enumerate(zip(*sides, strict=True), 1):
        for path, line in zip((source, target), pair, strict=True):
            if not line.strip():
                raise UserError(f"{path}:{number}: is empty")
    return list(zip(*sides, strict=True))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


def stream_lines(path: Path) -> Iterator[str]:
    """The lines of a file this program wrote."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.removesuffix("\n")


class PairWriter:
    """Two files of lines that belong together: `STEM.SOURCE` and `STEM.TARGET`."""

    def __init__(self, stem: Path, languages: tuple[str, str]) -> None:
        self.paths = [Path(f"{stem}.{language}") for language in languages]

    def __enter__(self) -> "PairWriter":
        self.files = [path.open("w", encoding="utf-8", newline="\n") for path in self.paths]
        return self

    def __exit__(self, *exception: object) -> None:
        for file in self.files:
            file.close()

    def write(self, pair: Pair) -> None:
        for file, line in zip(self.files, pair, strict=True):
            file.write(line + "\n")


def write_pairs(pairs: Iterable[Pair], stem: Path, languages: tuple[str, str]) -> None:
    with PairWriter(stem, languages) as writer:
        for pair in pairs:
            writer.write(pair)


def read_pairs(stem: Path, languages: tuple[str, str]) -> Iterator[Pair]:
    source, target = (stream_lines(Path(f"{stem}.{language}")) for language in languages)
    return zip(source, target, strict=True)


def read_opus_pairs(archive: Path, source: str, target: str) -> Iterator[Pair | None]:
    """The pairs of an OPUS zip in Moses format, streamed; `None` for one that is not UTF-8.

    Raises:
        UserError: a side is missing or the sides differ in their number of lines.
    """
    with zipfile.ZipFile(archive) as files:
        members = []
        for language in (source, target):
            found = [name for name in files.namelist() if name.endswith(f".{language}")]
            if len(found) != 1:
                raise UserError(
                    f"{archive}: should hold one file that ends in .{language}, and holds "
                    f"{', '.join(files.namelist()) or 'nothing'}"
                )
            members.append(found[0])
        with files.open(members[0]) as left, files.open(members[1]) as right:
            for number, (one, other) in enumerate(zip_longest(_lf(left), _lf(right)), 1):
                if one is None or other is None:
                    short, long = members if one is None else reversed(members)
                    raise UserError(
                        f"{archive}: {short} ends after line {number - 1} and {long} goes on, so "
                        "the sides don't belong together; fetch the corpus anew"
                    )
                try:
                    yield one.decode(), other.decode()
                except UnicodeDecodeError:
                    yield None


def read_opus_text(archive: Path) -> Iterator[str | None]:
    """The lines of an OPUS monolingual file, streamed; `None` for one that is not UTF-8."""
    with gzip.open(archive) as file:
        for line in _lf(file):
            try:
                yield line.decode()
            except UnicodeDecodeError:
                yield None


def _lf(file: Iterable[bytes]) -> Iterator[bytes]:
    for line in file:
        yield line.removesuffix(b"\n")


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}:{number}: is not UTF-8 (byte {error.start + 1} of the line is "
            f"0x{line[error.start]:02x}); convert the file, e.g. with iconv"
        ) from None
