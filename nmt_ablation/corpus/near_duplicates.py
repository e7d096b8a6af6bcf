"""Near-duplicates of validation and test pairs among training pairs.

Two sentences are near-duplicates if they share half of all character 5-grams of their normal forms
(Broder 1997, "On the resemblance and containment of documents"). Near-duplicates stay in the
sample, as captions and subtitles are alike by nature. Their counts let a reader judge how much of a
score is memory.
"""

from collections.abc import Iterable
from itertools import islice

import numba
import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus.hashes import SEED, CodePoints, Flags, Hashes, code_points, stir
from nmt_ablation.corpus.records import NearDuplicateCounts
from nmt_ablation.corpus.text import Pair, normal_form

GRAM = 5
SHARE = 0.5
_TOGETHER = 1 << 14


class NearDuplicates:
    """An index of held-out sentences, to count the training pairs that are alike to them.

    Args:
        sources: source sides of the held-out pairs.
        targets: target sides of the same pairs.
    """

    def __init__(self, sources: list[str], targets: list[str]) -> None:
        self.sides = [_Index(sources), _Index(targets)]
        self.size = len(sources)

    def count(self, pairs: Iterable[Pair]) -> NearDuplicateCounts:
        """Count the near-duplicates between training pairs and the held-out ones."""
        alike = 0
        hit = np.zeros(self.size, np.bool_)
        pairs = iter(pairs)
        while block := list(islice(pairs, _TOGETHER)):
            found = np.zeros(len(block), np.bool_)
            for index, lines in zip(self.sides, zip(*block, strict=True), strict=True):
                found |= index.alike(lines, hit)
            alike += int(found.sum())
        return NearDuplicateCounts(alike, int(hit.sum()), self.size)


class _Index:
    """An inverted index: for each gram, the sentences that hold it."""

    def __init__(self, lines: list[str]) -> None:
        grams, ends = _grams(_codes(lines), len(lines))
        numbers = np.repeat(np.arange(len(lines)), np.diff(ends, prepend=0))
        order = np.argsort(grams, kind="stable")
        self.numbers = numbers[order].astype(np.int32)
        """Sentences, ordered by their grams."""
        self.grams, starts = np.unique(grams[order], return_index=True)
        self.starts = np.append(starts, grams.size).astype(np.int64)
        self.sizes = np.diff(ends, prepend=0).astype(np.int32)
        # Most grams of other text are in no sentence: 20 bits rule out nearly all of them.
        self.known = np.zeros(1 << 20, np.bool_)
        self.known[self.grams >> np.uint64(44)] = True

    def alike(self, lines: Iterable[str], hit: Flags) -> Flags:
        """Return a flag for each line that is alike to a sentence, and set that sentence's in
        `hit`."""
        lines = list(lines)
        grams, ends = _grams(_codes(lines), len(lines))
        return np.asarray(
            _alike(grams, ends, self.grams, self.starts, self.numbers, self.sizes, self.known, hit)
        )


def _codes(lines: list[str]) -> CodePoints:
    return code_points("".join(normal_form(line) + "\n" for line in lines))


@numba.njit(nogil=True, cache=True)
def _grams(codes: CodePoints, lines: int) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return the distinct grams of all lines, one line after the other, and where each line
    ends."""
    row = np.zeros(codes.size + lines, np.uint64)
    ends = np.zeros(lines, np.int64)
    size = start = line = 0
    for at in range(codes.size):
        if codes[at] != 10:
            continue
        first = size
        # A line shorter than a gram is one gram.
        for begin in range(start, max(start + 1, at - GRAM + 1)):
            state = SEED
            for code in codes[begin : min(begin + GRAM, at)]:
                state = stir(state, np.uint64(code))
            row[size] = state
            size += 1
        ordered = np.sort(row[first:size])
        size = first
        for gram in ordered:
            if size == first or row[size - 1] != gram:
                row[size] = gram
                size += 1
        ends[line] = size
        line, start = line + 1, at + 1
    return row[:size], ends


@numba.njit(nogil=True, cache=True)
def _alike(
    grams: Hashes,
    ends: npt.NDArray[np.int64],
    known_grams: Hashes,
    starts: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int32],
    known: Flags,
    hit: Flags,
) -> Flags:
    alike = np.zeros(ends.size, np.bool_)
    shared = np.zeros(sizes.size, np.int32)
    touched = np.zeros(sizes.size, np.int32)
    found = np.zeros(grams.size, np.int64)
    start = 0
    for line in range(ends.size):
        size = ends[line] - start
        # A near-duplicate shares at least so many grams; fewer known ones need no counting.
        needed = SHARE * size
        there = 0
        for gram in grams[start : ends[line]]:
            if known[gram >> np.uint64(44)]:
                at = np.searchsorted(known_grams, gram)
                if at < known_grams.size and known_grams[at] == gram:
                    found[there] = at
                    there += 1
        start = ends[line]
        if there < needed:
            continue
        seen = 0
        for at in found[:there]:
            for number in numbers[starts[at] : starts[at + 1]]:
                if shared[number] == 0:
                    touched[seen] = number
                    seen += 1
                shared[number] += 1
        for number in touched[:seen]:
            both = size + sizes[number] - shared[number]
            if shared[number] >= SHARE * both:
                alike[line] = True
                hit[number] = True
            shared[number] = 0
    return alike
