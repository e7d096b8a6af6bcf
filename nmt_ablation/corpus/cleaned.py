"""A cleaned corpus: its text, and an index of numbers.

Holding out, removing duplicates and sampling use the index alone, which has a few numbers for each
pair. The text is read again only to write the pairs chosen.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus.text import Pair

INDEX = np.dtype(
    [
        ("source_form", "u8"),
        ("target_form", "u8"),
        ("exact", "u8"),
        ("source_octets", "u4"),
        ("target_octets", "u4"),
        ("tokens", "u4"),
    ]
)
"""An entry of the index: hashes of both normal forms and of the exact text, the bytes of both lines
in their files, and the tokens of the target side."""
ROWS = 1 << 20
"""Pairs of an index in memory at once."""
_SLAB = 1 << 19  # pairs whose text is gathered together
_WINDOW = 1 << 27  # bytes of a file
Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CleanBlock:
    """Pairs that passed the filters: their text, a line each, and their part of the index."""

    source: bytes
    target: bytes
    index: npt.NDArray[np.void]


class CleanCorpus:
    """A cleaned corpus: its index, and its pairs by their numbers."""

    def __init__(self, folder: Path, languages: tuple[str, str]) -> None:
        self._index = folder / "index.bin"
        self.texts = [folder / f"pairs.{language}" for language in languages]

    def __len__(self) -> int:
        return self._index.stat().st_size // INDEX.itemsize

    def index(self) -> Iterator[npt.NDArray[np.void]]:
        """Yield the index in order, `ROWS` pairs at a time."""
        with self._index.open("rb") as file:
            while (rows := np.fromfile(file, INDEX, ROWS)).size:
                yield rows

    def pairs(self, numbers: Numbers) -> list[Pair]:
        """Return the text of pairs, by their numbers."""
        corpora = np.zeros(numbers.size, np.int64)
        sides = (
            b"".join(side).decode() for side in zip(*gather([self], corpora, numbers), strict=True)
        )
        return list(zip(*(side.split("\n")[:-1] for side in sides), strict=True))

    def places(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        """Return the starts of lines and their lengths in bytes (side x start or length x pair)."""
        places = np.zeros((2, 2, numbers.size), np.int64)
        order = np.argsort(numbers)
        ascending = numbers[order]
        row = 0
        at = [0, 0]
        for rows in self.index():
            span = np.array((row, row + rows.size), np.uint64)
            here = slice(*np.searchsorted(ascending, span))
            local = (ascending[here] - span[0]).astype(np.int64)
            for side, name in enumerate(("source_octets", "target_octets")):
                ends = at[side] + np.cumsum(rows[name], dtype=np.int64)
                octets = rows[name][local]
                places[side, :, order[here]] = np.stack((ends[local] - octets, octets), axis=1)
                at[side] = int(ends[-1])
            row += rows.size
        return places


def gather(
    corpora: Sequence[CleanCorpus], which: npt.NDArray[np.int64], numbers: Numbers
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the text of pairs from several corpora, both sides, some pairs at a time.

    Args:
        corpora: the corpora that hold the pairs.
        which: the position in `corpora` of each pair's corpus.
        numbers: the number of each pair in its corpus.
    """
    # In slabs, as it takes a corpus's whole index to find where its lines start.
    for first in range(0, numbers.size, _SLAB):
        slab = slice(first, first + _SLAB)
        places = np.zeros((2, 2, numbers[slab].size), np.int64)
        members = [np.flatnonzero(which[slab] == at) for at in range(len(corpora))]
        for corpus, at in zip(corpora, members, strict=True):
            if at.size:
                places[:, :, at] = corpus.places(numbers[slab][at])
        sides = []
        for side, (starts, octets) in enumerate(places):
            text = np.zeros(octets.sum(), np.uint8)
            into = np.cumsum(octets) - octets
            for corpus, at in zip(corpora, members, strict=True):
                _copy_lines(corpus.texts[side], starts[at], octets[at], text, into[at])
            sides.append(text.tobytes())
        yield sides[0], sides[1]


def _copy_lines(
    path: Path,
    starts: npt.NDArray[np.int64],
    octets: npt.NDArray[np.int64],
    text: npt.NDArray[np.uint8],
    into: npt.NDArray[np.int64],
) -> None:
    """Copy lines of a file to their places in a text, reading a window of the file at a time."""
    order = np.argsort(starts)
    starts, octets, into = starts[order], octets[order], into[order]
    first = 0
    while first < starts.size:
        base = int(starts[first])
        end = max(first + 1, int(np.searchsorted(starts + octets, base + _WINDOW, "right")))
        size = int(starts[end - 1] + octets[end - 1]) - base
        window = np.memmap(path, np.uint8, "r", base, (size,))
        lines = slice(first, end)
        _copy(window, starts[lines] - base, octets[lines], text, into[lines])
        first = end


@numba.njit(nogil=True, cache=True)
def _copy(
    window: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    octets: npt.NDArray[np.int64],
    text: npt.NDArray[np.uint8],
    into: npt.NDArray[np.int64],
) -> None:
    for line in range(starts.size):
        start, at = starts[line], into[line]
        for octet in range(octets[line]):
            text[at + octet] = window[start + octet]


def write(blocks: Iterable[CleanBlock], folder: Path, languages: tuple[str, str]) -> None:
    """Write a cleaned corpus: `pairs.SOURCE`, `pairs.TARGET` and `index.bin`."""
    with (
        (folder / f"pairs.{languages[0]}").open("wb") as source,
        (folder / f"pairs.{languages[1]}").open("wb") as target,
        (folder / "index.bin").open("wb") as index,
        # A block is written while the next one is cleaned.
        ThreadPoolExecutor(1) as writer,
    ):

        def write_block(block: CleanBlock) -> None:
            source.write(block.source)
            target.write(block.target)
            index.write(block.index.tobytes())

        last: Future[None] | None = None
        for block in blocks:
            if last is not None:
                last.result()
            last = writer.submit(write_block, block)
        if last is not None:
            last.result()
