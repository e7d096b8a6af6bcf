"""All that cleaning and sampling need to know of each line, found in one pass over the text.

At a hundred million pairs a Python call for each line costs hours, so the pass is a loop that numba
compiles: what it needs of Unicode stands in tables, one entry for each code point. A line for which
tables don't suffice (combining marks change with their neighbours) goes through `text.normal_form`,
with the same result.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import langcodes
import numba
import numpy as np
import numpy.typing as npt
import regex

from nmt_ablation.corpus.hashes import (
    SEED,
    CodePoints,
    Flags,
    Hashes,
    code_points,
    hash_texts,
    stir,
)
from nmt_ablation.corpus.text import NOT_TEXT, normal_form, tidy

UnicodeForm = Literal["NFC", "NFKC", "none"]
Counts = npt.NDArray[np.int32]

CODE_POINTS = 0x110000
_NEWLINE = 10
# Scripts that a language is written in, where CLDR's code stands for a mixture.
_MIXED = {"Jpan": ("Hani", "Hira", "Kana"), "Kore": ("Hang", "Hani")} | dict.fromkeys(
    ("Hans", "Hant"), ("Hani",)
)


@dataclass(frozen=True)
class Lines:
    """What is known of a block of lines; each array has an entry for each of them."""

    text: bytes
    """Tidy, in UTF-8; each line ends with a line feed."""
    octets: Counts
    """Bytes of UTF-8, the line feed not among them."""
    characters: Counts
    tokens: Counts
    """Parts between spaces."""
    solid: Counts
    """Characters that are not spaces."""
    letters: Counts
    """Letters and the marks that belong to them."""
    native: Counts
    """Those of them that the language is written with."""
    form: Hashes
    """Of the normal form: lines that count as the same have the same."""
    exact: Hashes
    """Of the line as it is."""
    not_utf8: Flags
    controls: int
    """Lines that had characters which are not text, a line separator among them."""
    respelled: int
    """Other lines that changed in white space or Unicode form."""

    def line(self, number: int) -> str:
        """One line, without its line feed."""
        start = int(self.octets[:number].sum()) + number
        return self.text[start : start + int(self.octets[number])].decode()

    def keep(self, chosen: Flags) -> bytes:
        """The text of the chosen lines."""
        if chosen.all():
            return self.text
        octets = np.frombuffer(self.text, np.uint8)
        return octets[np.repeat(chosen, self.octets + 1)].tobytes()


class Measure:
    """Measures text in one language.

    Args:
        language: as OPUS spells it; says which script is its own.
        form: the Unicode form that lines are brought to.
    """

    def __init__(self, language: str, form: UnicodeForm = "NFC") -> None:
        self.form: UnicodeForm = form
        self.table = _table(scripts(language), form)

    def lines(self, block: bytes) -> Lines:
        """Measure a block of whole lines. A line ends at a line feed and nowhere else."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        try:
            text, bad = block.decode(), np.zeros(0, np.int64)
        except UnicodeDecodeError:
            text, bad = _decode_each(block)
        counts, hashes, by_hand, untidy = _measure(code_points(text), *self.table)
        controls = respelled = 0
        if (numbers := np.flatnonzero(untidy)).size:
            lines = text.split("\n")
            for number in numbers:
                old = lines[number]
                new = lines[number] = tidy(old, self.form)
                if old != new:
                    if has_controls(old):
                        controls += 1
                    else:
                        respelled += 1
            text = "\n".join(lines)
            repaired = code_points("".join(lines[number] + "\n" for number in numbers))
            counts[:, numbers], hashes[:, numbers], by_hand[numbers], _ = _measure(
                repaired, *self.table
            )
        if (numbers := np.flatnonzero(by_hand)).size:
            lines = text.split("\n")
            hashes[0, numbers] = form_hashes(lines[number] for number in numbers)
        not_utf8 = np.zeros(counts.shape[1], np.bool_)
        not_utf8[bad] = True
        octets, characters, tokens, solid, letters, native = counts
        return Lines(
            text=text.encode(),
            octets=octets,
            characters=characters,
            tokens=tokens,
            solid=solid,
            letters=letters,
            native=native,
            form=hashes[0],
            exact=hashes[1],
            not_utf8=not_utf8,
            controls=controls,
            respelled=respelled,
        )


def has_controls(line: str) -> bool:
    """Whether a line holds characters that are not text."""
    return NOT_TEXT.search(line) is not None


def form_hashes(lines: Iterable[str]) -> Hashes:
    """What `Lines.form` would be of these lines."""
    return hash_texts(map(normal_form, lines))


def scripts(language: str) -> tuple[str, ...]:
    """ISO 15924 codes of the scripts a language is most likely written in, by Unicode's CLDR."""
    script = langcodes.get(language).maximize().script or "Latn"
    return _MIXED.get(script, (script,))


def _decode_each(block: bytes) -> tuple[str, npt.NDArray[np.int64]]:
    """The text with an empty line for each that is not UTF-8, and the numbers of those."""
    lines, bad = [], []
    for number, line in enumerate(block.split(b"\n")):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append("")
            bad.append(number)
    return "\n".join(lines), np.array(bad, np.int64)


@cache
def _assigned() -> str:
    """All characters that mean something, or are to be thrown out, but for the line feed."""
    # By regex's Unicode, which is newer than Python's, and which normal forms go by.
    every = "".join(map(chr, range(CODE_POINTS)))
    return regex.sub(r"[\p{Cn}\p{Co}\p{Cs}\n]+", "", every)


def _each(change: Callable[[str], str]) -> list[str]:
    """What becomes of each assigned character alone."""
    # All at once, on lines of their own: nothing composes over the end of a line.
    return change("\n".join(_assigned())).split("\n")


@cache
def _unsteady() -> set[str]:
    """Characters that may change, or change others, with what stands before or after them."""
    parts = (unicodedata.decomposition(one).split() for one in _assigned())
    seconds = {chr(int(two[1], 16)) for two in parts if len(two) == 2 and two[0][0] != "<"}
    jamo = map(chr, range(0x1100, 0x1200))
    marks = (one for one in _assigned() if unicodedata.combining(one))
    return seconds.union(jamo, marks)


def _untidy(form: UnicodeForm) -> str:
    """Characters that `text.tidy` may change, but for spaces, which go by their neighbours."""
    odd = "".join(regex.findall(r"[\s--[ \n]]", _assigned(), regex.V1))
    odd += "".join(NOT_TEXT.findall(_assigned()))
    if form == "none":
        return odd
    normalised = _each(lambda text: unicodedata.normalize(form, text))
    changed = (one for one, new in zip(_assigned(), normalised, strict=True) if one != new)
    return odd + "".join(_unsteady().union(changed))


@cache
def _table(
    own: tuple[str, ...], form: UnicodeForm
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """What there is to know of each character: its normal form and the bits below it.

    A normal form of several characters stands in the second array, its length first, and the
    entry says where.
    """
    table = np.zeros(CODE_POINTS, np.uint32)
    several = [0]
    composed = _each(lambda text: unicodedata.normalize("NFKC", text))
    folds = _each(lambda text: _NOT_WORDS.sub("", unicodedata.normalize("NFKC", text).casefold()))
    for one, parts, fold in zip(_assigned(), composed, folds, strict=True):
        if len(fold) > 1:
            table[ord(one)] = len(several) | _SEVERAL
            several += [len(fold), *map(ord, fold)]
        elif fold:
            table[ord(one)] = ord(fold)
        if not _unsteady().isdisjoint((one, *parts)):
            table[ord(one)] |= _UNSTEADY
    classes = "".join(rf"\p{{Script={script}}}" for script in (*own, "Zyyy", "Zinh"))
    letters = regex.findall(r"[\p{L}\p{M}]", _assigned())
    native = regex.findall(rf"[[\p{{L}}\p{{M}}]&&[{classes}]]", _assigned(), regex.V1)
    for bit, characters in ((_LETTER, letters), (_NATIVE, native), (_UNTIDY, _untidy(form))):
        table[code_points("".join(characters))] |= bit
    table[_NEWLINE] = 0
    return table, np.array(several, np.uint32)


_NOT_WORDS = regex.compile(r"[^\p{L}\p{M}\p{N}\n]+")
_CODE = np.uint32((1 << 21) - 1)
_LETTER, _NATIVE, _UNSTEADY, _SEVERAL, _UNTIDY = (np.uint32(1 << bit) for bit in range(21, 26))


@numba.njit(nogil=True, cache=True)
def _measure(
    codes: CodePoints,
    table: npt.NDArray[np.uint32],
    several: npt.NDArray[np.uint32],
) -> tuple[Counts, Hashes, Flags, Flags]:
    """Counts (octets, characters, tokens, solid, letters, native) and hashes (normal form, exact)
    of each line, whether the first hash has to be found by hand, and whether it may be untidy."""
    lines = 0
    for code in codes:
        lines += code == _NEWLINE
    counts = np.zeros((6, lines), np.int32)
    hashes = np.zeros((2, lines), np.uint64)
    by_hand = np.zeros(lines, np.bool_)
    untidy = np.zeros(lines, np.bool_)
    line = octets = characters = spaces = letters = native = folded = 0
    form, exact = SEED, SEED
    seen = np.uint32(0)
    space_before = True
    for code in codes:
        if code == _NEWLINE:
            counts[0, line], counts[1, line] = octets, characters
            counts[2, line] = spaces + 1 if characters else 0
            counts[3, line] = characters - spaces
            counts[4, line], counts[5, line] = letters, native
            hashes[0, line] = stir(form, np.uint64(folded))
            hashes[1, line] = stir(exact, np.uint64(characters))
            # Of a line without words other characters count, which are not in the table.
            by_hand[line] = (seen & _UNSTEADY) != 0 or (folded == 0 and characters > 0)
            untidy[line] = (seen & _UNTIDY) != 0 or (space_before and characters > 0)
            line += 1
            octets = characters = spaces = letters = native = folded = 0
            form, exact = SEED, SEED
            seen = np.uint32(0)
            space_before = True
            continue
        known = table[code]
        seen |= known
        characters += 1
        octets += 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
        if code == 32:
            spaces += 1
            seen |= _UNTIDY if space_before else np.uint32(0)
            space_before = True
        else:
            space_before = False
        letters += (known & _LETTER) != 0
        native += (known & _NATIVE) != 0
        exact = stir(exact, np.uint64(code))
        fold = known & _CODE
        if known & _SEVERAL:
            for at in range(fold + 1, fold + 1 + several[fold]):
                form = stir(form, np.uint64(several[at]))
            folded += several[fold]
        elif fold:
            form = stir(form, np.uint64(fold))
            folded += 1
    return counts, hashes, by_hand, untidy
