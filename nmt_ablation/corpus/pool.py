"""The pool: every clean pair of all corpora once, except pairs that leak held-out sentences.

The pool holds no text, only the place of each pair. Duplicates are found by sorting hashes, a share
of them at a time, so memory doesn't grow with the corpora.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus.cleaned import ROWS, CleanCorpus, gather
from nmt_ablation.corpus.hashes import firsts, pair_hashes
from nmt_ablation.corpus.hold_out import KnownSides
from nmt_ablation.corpus.sample import Smallest, ranks

POOL = np.dtype([("pair", "u8"), ("place", "u8"), ("exact", "u8"), ("tokens", "u4")])
"""An entry of the pool: the hash of a pair's normal form, its place (the corpus's number in the
upper 16 bits, the pair's below them), the hash of its text, and the tokens of its target side.
Entries are ordered by the first."""

_SHARE = 1 << 22  # entries sorted at once, 28 bytes each
_NUMBER_BITS = np.uint64(48)


@dataclass
class Counts:
    """Pairs of each corpus in the pool, and of those that were dropped."""

    pool: list[int]
    duplicates: list[int]
    leaks: list[int]
    """Pairs with a side that is held out."""
    shared: list[int]
    """Other pairs with a side of another pool."""


def build(
    corpora: Sequence[CleanCorpus],
    held_out: KnownSides,
    folder: Path,
    path: Path,
    others: KnownSides | None = None,
) -> Counts:
    """Write the pool of some corpora.

    Of duplicates, the earliest corpus's is kept; within a corpus, the one whose text has the
    smallest hash.

    Args:
        corpora: the corpora in their order.
        held_out: sentences that may not be trained on.
        folder: a place for temporary files.
        path: the file to write.
        others: sentences of another pool, which this one has none of.
    """
    bits = max(0, (sum(map(len, corpora)) - 1) // _SHARE).bit_length()
    shares = [folder / f"share-{number}" for number in range(1 << bits)]
    files = [share.open("wb") for share in shares]
    dropped = np.zeros((len(corpora), 2), np.int64)
    apart = [held_out, others or KnownSides()]
    try:
        for number, corpus in enumerate(corpora):
            for entries, counts in _entries(number, corpus, apart):
                dropped[number] += counts
                # Sixteen bits, as those are sorted in linear time.
                upper = (entries["pair"] >> np.uint64(48)).astype(np.uint16) >> (16 - bits)
                entries = entries[np.argsort(upper, kind="stable")]
                ends = np.cumsum(np.bincount(upper.astype(np.int64), minlength=1 << bits))
                for file, part in zip(files, np.split(entries, ends[:-1]), strict=True):
                    part.tofile(file)
    finally:
        for file in files:
            file.close()
    kept = np.zeros(len(corpora), np.int64)
    with path.open("wb") as pool:
        for share in shares:
            entries = np.fromfile(share, POOL)
            share.unlink()
            ties = entries["place"] >> _NUMBER_BITS, entries["exact"], entries["place"]
            entries = entries[firsts(entries["pair"], ties)]
            places = entries["place"] >> _NUMBER_BITS
            kept += np.bincount(places.astype(np.int64), minlength=len(corpora))
            entries.tofile(pool)
    duplicates = [
        len(corpus) - int(counts.sum()) - int(count)
        for corpus, counts, count in zip(corpora, dropped, kept, strict=True)
    ]
    leaks, shared = dropped.T.tolist()
    return Counts([int(count) for count in kept], duplicates, leaks, shared)


def draw(path: Path, limit: int | None, by_tokens: bool, key: str) -> Smallest:
    """Choose the pairs of a pool that come first under a key, in one pass over it."""
    smallest = Smallest(limit)
    for rows in chunks(path):
        weights = rows["tokens"] if by_tokens else np.ones(rows.size, np.uint32)
        smallest.add(ranks(rows["pair"], key), rows["pair"], rows["place"], weights)
    return smallest


def write(
    chosen: Smallest, corpora: Sequence[CleanCorpus], stem: Path, languages: tuple[str, str]
) -> list[int]:
    """Write the chosen pairs in order to `STEM.SOURCE` and `STEM.TARGET`.

    Returns:
        the number of pairs from each corpus.
    """
    which, numbers = split(chosen.places())
    paths = [Path(f"{stem}.{language}") for language in languages]
    with paths[0].open("wb") as sources, paths[1].open("wb") as targets:
        for source, target in gather(corpora, which, numbers):
            sources.write(source)
            targets.write(target)
    return [int(count) for count in np.bincount(which, minlength=len(corpora))]


def split(
    places: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return the corpus of each place, by number, and the pair's number in that corpus."""
    numbers = places & ((np.uint64(1) << _NUMBER_BITS) - np.uint64(1))
    return (places >> _NUMBER_BITS).astype(np.int64), numbers


def chunks(path: Path) -> Iterator[npt.NDArray[np.void]]:
    """Yield the rows of a pool, some at a time."""
    with path.open("rb") as file:
        while (rows := np.fromfile(file, POOL, ROWS)).size:
            yield rows


def _entries(
    number: int, corpus: CleanCorpus, apart: Sequence[KnownSides]
) -> Iterator[tuple[npt.NDArray[np.void], list[int]]]:
    """Yield the entries that may be trained on, some at a time, with the number of others that each
    set of sentences drops first."""
    start = 0
    for rows in corpus.index():
        may, counts = np.ones(rows.size, np.bool_), []
        for sentences in apart:
            drops = may & sentences.have_a_side(rows["source_form"], rows["target_form"])
            counts.append(int(drops.sum()))
            may &= ~drops
        numbers = np.flatnonzero(may).astype(np.uint64) + np.uint64(start)
        start += rows.size
        rows = rows[may]
        entries = np.zeros(rows.size, POOL)
        entries["pair"] = pair_hashes(rows["source_form"], rows["target_form"])
        entries["place"] = (np.uint64(number) << _NUMBER_BITS) | numbers
        entries["tokens"], entries["exact"] = rows["tokens"], rows["exact"]
        yield entries, counts
