"""The encoding of text that is not UTF-8, by charset-normalizer."""

from collections.abc import Sequence

import numpy as np
from charset_normalizer import from_bytes

from nmt_ablation.corpus.hashes import Flags
from nmt_ablation.corpus.identify import Identified, code
from nmt_ablation.errors import UserError

USUAL = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859_2", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_9", "koi8_r", "koi8_u"),
    *("cp850", "cp852", "cp866", "cp874", "mac_roman", "mac_cyrillic"),
    *("gb18030", "big5", "cp932", "euc_jp", "iso2022_jp", "cp949", "johab", "utf_16", "utf_32"),
)
"""Encodings that corpora come in, by Python's names, the commonest first. Rarer ones read much the
same, and would be named in their place."""
LANGUAGES = {
    "cp1250": {"bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq", "sr"},
    "iso8859_2": {"bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq", "sr"},
    "cp1254": {"az", "ku", "tr"},
    "cp1257": {"et", "lt", "lv"},
    "cp1258": {"vi"},
}
"""The languages of encodings that share most letters with cp1252."""
MOST = 0.01
"""The share of lines that may be lost as they are not UTF-8."""
MOST_BYTES = 1 << 16
"""Bytes that tell an encoding."""
NAMED = 2
"""Encodings that are named, where several fit equally well."""


def fitting(lines: Sequence[bytes], language: str) -> list[str]:
    """Return the encodings in which lines read best as text of a language; none if they don't seem
    to be text.

    Args:
        lines: lines that are not UTF-8.
        language: the code of the language that they should be in.
    """
    sample = b"\n".join(lines)[:MOST_BYTES]
    found = from_bytes(sample, cp_isolation=list(USUAL), enable_fallback=False)
    disorder = {
        name: round(it.chaos, 2)
        for it in found
        for name in (it.encoding, *it.could_be_from_charset)
    }
    texts = {name: sample.decode(name, "replace") for name in USUAL if name in disorder}

    def order(name: str) -> tuple[float, float, bool]:
        share = Identified.of(texts[name].split("\n")).share(language)
        return -round(share, 1), disorder[name], code(language) not in LANGUAGES.get(name, ())

    ordered = sorted(texts, key=order)  # which keeps the order of USUAL among equals
    best = [name for name in ordered if order(name)[:2] == order(ordered[0])[:2]]
    unlike = {texts[name]: name for name in reversed(best)}
    return [name for name in best if name in unlike.values()][:NAMED]


class Undecoded:
    """The lines of a file that are not UTF-8.

    Args:
        file: the name of the file, for messages.
        language: the language that it should be in.
    """

    def __init__(self, file: str, language: str) -> None:
        self.file, self.language = file, language
        self.read = self.number = 0
        self.first: int | None = None
        """The number of the first such line."""
        self.lines: list[bytes] = []
        """The first of these lines, as many as tell an encoding."""
        self._bytes = 0

    def add(self, block: bytes, bad: Flags) -> None:
        """Add a block of lines, with a flag for those that are not UTF-8."""
        if bad.any():
            numbers = np.flatnonzero(bad)
            if self.first is None:
                self.first = self.read + int(numbers[0]) + 1
            if self._bytes < MOST_BYTES:
                lines = block.split(b"\n")
                self.lines += [lines[number] for number in numbers]
                self._bytes += sum(len(lines[number]) for number in numbers)
            self.number += numbers.size
        self.read += bad.size

    def refuse_many(self) -> None:
        """Refuse a file in another encoding: a sample without these lines would be biased.

        Raises:
            UserError: more than `MOST` of its lines are not UTF-8; the message names the encodings
                that fit.
        """
        if self.number <= MOST * self.read:
            return
        names = fitting(self.lines, self.language)
        found = (
            f"It reads as {' or '.join(names)}: convert it, e.g. with iconv -f {names[0]} -t UTF-8,"
            " and look at the result"
            if names
            else "No other encoding fits either: check that the file is text."
        )
        raise UserError(
            f"{self.file}:{self.first}: is the first of {self.number:,} lines that are not UTF-8, "
            f"among {self.read:,}. {found}"
        )
