"""A corpus that was cleaned: text for people and trainers, and an index for numbers.

Everything after cleaning (holding out, duplicates, samples) is decided on the index, which has a
row of a few numbers for each pair; the text is looked at again only to write what was chosen.
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
"""What is kept of each clean pair beside its text: hashes of the normal forms and of the text as it
is, the bytes of its lines in the two files, and the tokens of its target side."""
ROWS = 1 << 20
"""Of an index that are in memory together."""
_SLAB = 1 << 19  # pairs whose text is gathered together
_WINDOW = 1 << 27  # bytes of a file
Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CleanBlock:
    """Pairs that stay: their text, a line each, and their part of the index."""

    source: bytes
    target: bytes
    index: npt.NDArray[np.void]


class CleanCorpus:
    """A corpus that was cleaned: its index, and its pairs by their numbers."""

    def __init__(self, folder: Path, languages: tuple[str, str]) -> None:
        self._index = folder / "index.bin"
        self.texts = [folder / f"pairs.{language}" for language in languages]

    def __len__(self) -> int:
        return self._index.stat().st_size // INDEX.itemsize

    def index(self) -> Iterator[npt.NDArray[np.void]]:
        """The rows of the index, in their order, some at a time."""
        with self._index.open("rb") as file:
            while (rows := np.fromfile(file, INDEX, ROWS)).size:
                yield rows

    def pairs(self, numbers: Numbers) -> list[Pair]:
        """The text of some pairs."""
        corpora = np.zeros(numbers.size, np.int64)
        sides = (
            b"".join(side).decode() for side in zip(*gather([self], corpora, numbers), strict=True)
        )
        return list(zip(*(side.split("\n")[:-1] for side in sides), strict=True))

    def places(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        """Where lines start and their bytes, for both sides: an array of 2 x 2 x pairs."""
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
    """The text of pairs of several corpora, both sides, some pairs at a time.

    Args:
        corpora: that the pairs are in.
        which: of them each pair is in.
        numbers: of the pairs in their corpora.
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
    """Copy lines of a file to their places in a text, a window of the file in memory at a time."""
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
    """Write a clean corpus: `pairs.SOURCE`, `pairs.TARGET`, and `index.bin` for programs."""
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
