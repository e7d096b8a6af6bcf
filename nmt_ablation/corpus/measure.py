"""Everything that cleaning and sampling need to know of each line, measured in one pass.

A Python call for each line would take hours for a hundred million pairs, so numba compiles the
pass. Tables hold what it needs of Unicode, an entry for each code point. Tables don't suffice for
lines whose combining marks change with their neighbours: these go through `text.normal_form`, with
the same result.
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
    """Measurements of a block of lines; each array has an entry for each line."""

    text: bytes
    """The tidied text, in UTF-8; each line ends with a line feed."""
    octets: Counts
    """Bytes of UTF-8, without the line feed."""
    characters: Counts
    tokens: Counts
    """Parts between spaces."""
    solid: Counts
    """Characters that are not spaces."""
    letters: Counts
    """Letters and the marks that belong to them."""
    native: Counts
    """Letters of the scripts that the language is written in."""
    form: Hashes
    """Hashes of the normal form: equal for lines that count as the same."""
    exact: Hashes
    """Hashes of the line as it stands."""
    not_utf8: Flags
    controls: int
    """Lines that had control characters or line separators."""
    respelled: int
    """Other lines that changed in white space or Unicode form."""

    def line(self, number: int) -> str:
        """Return one line, without its line feed."""
        start = int(self.octets[:number].sum()) + number
        return self.text[start : start + int(self.octets[number])].decode()

    def keep(self, chosen: Flags) -> bytes:
        """Return the text of the chosen lines."""
        if chosen.all():
            return self.text
        octets = np.frombuffer(self.text, np.uint8)
        return octets[np.repeat(chosen, self.octets + 1)].tobytes()


class Measure:
    """A measuring pass over text in one language.

    Args:
        language: the code, as OPUS spells it; decides which scripts are native.
        form: the Unicode form that lines are brought to.
    """

    def __init__(self, language: str, form: UnicodeForm = "NFC") -> None:
        self.form: UnicodeForm = form
        self.table = _table(scripts(language), form)

    def lines(self, block: bytes) -> Lines:
        """Measure a block of whole lines; only a line feed ends a line."""
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
    """Return whether a line holds characters that are not text."""
    return NOT_TEXT.search(line) is not None


def form_hashes(lines: Iterable[str]) -> Hashes:
    """Hash the normal forms of lines, as `Lines.form` has them."""
    return hash_texts(map(normal_form, lines))


def scripts(language: str) -> tuple[str, ...]:
    """Return the ISO 15924 codes of the scripts that a language is most likely written in
    (CLDR)."""
    script = langcodes.get(language).maximize().script or "Latn"
    return _MIXED.get(script, (script,))


def _decode_each(block: bytes) -> tuple[str, npt.NDArray[np.int64]]:
    """Decode a block, each line that is not UTF-8 as an empty one; return the numbers of those
    too."""
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
    """Return all characters that have a meaning or are to be dropped, without the line feed."""
    # regex's Unicode is newer than Python's, and normal forms use it.
    every = "".join(map(chr, range(CODE_POINTS)))
    return regex.sub(r"[\p{Cn}\p{Co}\p{Cs}\n]+", "", every)


def _each(change: Callable[[str], str]) -> list[str]:
    """Apply a change to each assigned character alone."""
    # All at once, on lines of their own: nothing composes over the end of a line.
    return change("\n".join(_assigned())).split("\n")


@cache
def _unsteady() -> set[str]:
    """Return the characters that may change with their neighbours, or change them."""
    parts = (unicodedata.decomposition(one).split() for one in _assigned())
    seconds = {chr(int(two[1], 16)) for two in parts if len(two) == 2 and two[0][0] != "<"}
    jamo = map(chr, range(0x1100, 0x1200))
    marks = (one for one in _assigned() if unicodedata.combining(one))
    return seconds.union(jamo, marks)


def _untidy(form: UnicodeForm) -> str:
    """Return the characters that `text.tidy` may change, except spaces, which depend on
    neighbours."""
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
    """Return a table of all characters: the normal form of each, and flags above it.

    A normal form of several characters stands in a second array, behind its length; the entry is
    its position there.
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
    """Measure each line: counts (octets, characters, tokens, solid, letters, native), hashes
    (normal form, exact), and flags for a normal form that tables can't give and for a line that may
    be untidy."""
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
            # The normal form of a line without words has other characters, which no table has.
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
