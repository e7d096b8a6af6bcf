"""Text read without shifting its lines, and the normal form by which sentences are compared."""

import codecs
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import regex

from nmt_ablation.errors import UserError
from nmt_ablation.packed import opened, readable, refuse_no_text, unpacked

Pair = tuple[str, str]

# A line ends at LF and nowhere else. Other controls and separators (a lone CR, NUL, NEL, BOM,
# U+2028) would end it for some other program, and shift the two sides against each other.
NOT_TEXT = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}\uFEFF]+")
_SPACES = regex.compile(r"\s+")
LARGEST = 1 << 30
"""Bytes of a file that is read at once: a test set, a lexicon, translations."""
_NOT_WORDS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def tidy(line: str, form: Literal["NFC", "NFKC", "none"] = "NFC") -> str:
    """Bring a line to a Unicode form, drop control characters, and make each run of white space one
    space, with none at the ends."""
    line = NOT_TEXT.sub(" ", line)
    if form != "none":
        line = unicodedata.normalize(form, line)
    return _SPACES.sub(" ", line).strip()


def normal_form(line: str) -> str:
    """Return what two sentences that count as the same have in common: letters and digits, without
    case, width, punctuation and spacing. A line without words only loses its spacing."""
    folded = unicodedata.normalize("NFKC", line).casefold()
    return _NOT_WORDS.sub("", folded) or _SPACES.sub("", folded)


def is_number(text: bytes) -> bool:
    """Return whether a field of a file is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, packed or not, unchanged except for line ends and a byte order
    mark.

    Raises:
        UserError: it doesn't exist, is damaged, too large or empty, or a line is not UTF-8.
    """
    with opened(path) as file, readable(path):
        data = unpacked(file).read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UserError(f"{path}: has more than {LARGEST:,} bytes; should a corpus be that large?")
    refuse_no_text(data, path)
    data = data.removeprefix(codecs.BOM_UTF8)
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    if not any(line.strip() for line in lines):
        raise UserError(f"{path}: is empty")
    return [_decode(line, path, number) for number, line in enumerate(lines, 1)]


def read_pair_of_files(source: Path, target: Path) -> list[Pair]:
    """Read the pairs of two files that hold the same sentences, line by line.

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
    """Yield the lines of a file that this program wrote."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.removesuffix("\n")


def write_pairs(pairs: Iterable[Pair], stem: Path, languages: tuple[str, str]) -> None:
    """Write the two sides of pairs to `STEM.SOURCE` and `STEM.TARGET`."""
    paths = [Path(f"{stem}.{language}") for language in languages]
    with (
        paths[0].open("w", encoding="utf-8", newline="\n") as source,
        paths[1].open("w", encoding="utf-8", newline="\n") as target,
    ):
        for pair in pairs:
            source.write(pair[0] + "\n")
            target.write(pair[1] + "\n")


def read_pairs(stem: Path, languages: tuple[str, str]) -> Iterator[Pair]:
    source, target = (stream_lines(Path(f"{stem}.{language}")) for language in languages)
    return zip(source, target, strict=True)


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}:{number}: is not UTF-8 (byte {error.start + 1} of the line is "
            f"0x{line[error.start]:02x}); convert the file, e.g. with iconv -f latin1 -t UTF-8"
        ) from None
