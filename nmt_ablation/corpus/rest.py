"""The rest of the pool: what no sample holds, as text of either language."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus import pool
from nmt_ablation.corpus.cleaned import CleanCorpus, gather
from nmt_ablation.corpus.hashes import Hashes, among
from nmt_ablation.corpus.records import RestRecord


def write(
    pool_file: Path,
    corpora: Sequence[CleanCorpus],
    limit: int,
    by_tokens: bool,
    keys: Sequence[str],
    paths: tuple[Path, Path],
) -> RestRecord:
    """Write the sides of all pairs that no sample of this size holds, in the order of the corpora.

    The pool has no pair that shares a side with validation or test set, so neither has its rest.
    Lines that are the same side of a sample's pair, compared by their normal forms, are left out.

    Args:
        limit: the size of the largest sample.
        by_tokens: whether the size counts tokens of the target side.
        keys: of the samples, a key for each seed.
        paths: the files of source and target side.
    """
    sampled = np.unique(
        np.concatenate([pool.draw(pool_file, limit, by_tokens, key).places() for key in keys])
    )
    places = [rows["place"] for rows in pool.chunks(pool_file)]
    everything = np.sort(np.concatenate([np.zeros(0, np.uint64), *places]))
    rest = everything[~among(everything, sampled)]
    sampled_forms, forms = _forms(corpora, sampled), _forms(corpora, rest)
    kept = [
        ~among(side, np.unique(of_samples))
        for side, of_samples in zip(forms, sampled_forms, strict=True)
    ]
    start = 0
    with paths[0].open("wb") as sources, paths[1].open("wb") as targets:
        for texts in gather(corpora, *pool.split(rest)):
            lines = [text.splitlines(keepends=True) for text in texts]
            for file, of_side, keep in zip((sources, targets), lines, kept, strict=True):
                which = np.flatnonzero(keep[start : start + len(of_side)])
                file.writelines(of_side[at] for at in which.tolist())
            start += len(lines[0])
    counts = [int(keep.sum()) for keep in kept]
    return RestRecord(
        pairs=everything.size,
        in_samples=sampled.size,
        kept=(counts[0], counts[1]),
        repeated=(rest.size - counts[0], rest.size - counts[1]),
    )


def _forms(corpora: Sequence[CleanCorpus], places: npt.NDArray[np.uint64]) -> tuple[Hashes, Hashes]:
    """Return the hashes of both sides' normal forms, in the order of the places."""
    sides: tuple[list[Hashes], list[Hashes]] = ([np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)])
    which, numbers = pool.split(places)
    for number, corpus in enumerate(corpora):
        wanted, start = numbers[which == number], 0
        for rows in corpus.index():
            ends = np.searchsorted(wanted, np.array((start, start + rows.size), np.uint64))
            here = rows[(wanted[slice(*ends)] - np.uint64(start)).astype(np.int64)]
            for side, name in zip(sides, ("source_form", "target_form"), strict=True):
                side.append(here[name].copy())
            start += rows.size
    return np.concatenate(sides[0]), np.concatenate(sides[1])
