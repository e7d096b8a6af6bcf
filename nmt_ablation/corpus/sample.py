"""Nested samples that don't depend on any order: the pairs with the smallest keyed hashes.

A pair's normal form is hashed, so duplicates share a hash and one of them is kept. For one key, a
smaller sample is the beginning of every larger one. Sampling takes one pass, and memory for the
largest sample; samples of parts of a corpus merge into the sample of the whole (bottom-k sampling,
Cohen and Kaplan 2007).
"""

import hashlib

import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus.hashes import Hashes, firsts, stirred

TOGETHER = 1 << 20
"""Candidates collected before they are compared."""


def ranks(pairs: Hashes, key: str) -> Hashes:
    """Return each pair's rank under a key: different for different pairs, and ordered differently
    by each key.

    Args:
        pairs: `pair_hashes` of the pairs' normal forms.
        key: any text.
    """
    salt = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return stirred(pairs ^ np.uint64(salt))


class Smallest:
    """The pairs of smallest rank whose weights sum to a limit.

    Weights of 1 make the limit a number of pairs; weights of tokens, a number of tokens.

    Args:
        limit: the sum of weights wanted, None for all pairs.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._parts: list[npt.NDArray[np.void]] = []
        self._best = np.zeros(0, _CANDIDATE)
        self._full = limit == 0

    def add(
        self,
        ranks: Hashes,
        ties: Hashes,
        places: npt.NDArray[np.uint64],
        weights: npt.NDArray[np.uint32],
    ) -> None:
        """Offer pairs; among pairs of equal rank, the one with the smallest tie is taken."""
        if self._full:
            last = self._best["rank"][-1] if self._best.size else np.uint64(0)
            near = ranks <= last
            ranks, ties, places, weights = ranks[near], ties[near], places[near], weights[near]
        part = np.zeros(ranks.size, _CANDIDATE)
        part["rank"], part["tie"], part["place"], part["weight"] = ranks, ties, places, weights
        self._parts.append(part)
        if sum(map(len, self._parts)) >= max(TOGETHER, self._best.size):
            self._settle()

    def places(self) -> npt.NDArray[np.uint64]:
        """Return the places of the chosen pairs, in the order of their ranks."""
        self._settle()
        return np.asarray(self._best["place"])

    def weight(self) -> int:
        """Return the sum of the chosen weights: at least the limit, unless there were no more
        pairs."""
        self._settle()
        return int(self._best["weight"].sum())

    def _settle(self) -> None:
        if self._parts:
            every = np.concatenate([self._best, *self._parts])
            self._best = every[firsts(every["rank"], (every["tie"], every["place"]))]
            self._parts = []
            if self.limit is not None:
                sums = np.cumsum(self._best["weight"], dtype=np.int64)
                enough = int(np.searchsorted(sums, self.limit)) + 1 if self.limit else 0
                self._full = enough <= self._best.size
                self._best = self._best[:enough]


_CANDIDATE = np.dtype([("rank", "u8"), ("tie", "u8"), ("place", "u8"), ("weight", "u4")])
