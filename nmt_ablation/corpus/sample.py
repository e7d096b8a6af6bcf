"""Nested samples that don't depend on any order: the n pairs with the smallest keyed hashes.

The hash is of a pair's normal form, so duplicates share it and one of them is kept. For one key
a smaller sample is the beginning of every larger one. One pass, and memory for n pairs; samples
of parts of a corpus merge into the sample of the whole (bottom-k sampling, Cohen and Kaplan 2007).
"""

import hashlib
import heapq
from collections.abc import Iterable

from nmt_ablation.corpus.text import Pair, normal_form


def rank(pair: Pair, key: str) -> int:
    """A pair's place under a key: 128 bits, the same on every machine."""
    text = "\x1f".join(map(normal_form, pair)).encode()
    # The key has its own digest, as blake2b takes no more than 64 bytes of it.
    keyed = hashlib.blake2b(text, digest_size=16, key=hashlib.sha256(key.encode()).digest())
    return int.from_bytes(keyed.digest())


def smallest(pairs: Iterable[Pair], n: int | None, key: str) -> list[Pair]:
    """The `n` distinct pairs of smallest rank (all of them for `None`), in the order of rank.

    Of duplicates the variant is kept that is smallest as text, whichever comes first.
    """
    chosen: dict[int, Pair] = {}
    largest: list[int] = []  # a heap of negated ranks
    for pair in pairs:
        place = rank(pair, key)
        if place in chosen:
            chosen[place] = min(chosen[place], pair)
        elif n is None or len(chosen) < n:
            chosen[place] = pair
            heapq.heappush(largest, -place)
        elif n and place < -largest[0]:
            del chosen[-heapq.heappushpop(largest, -place)]
            chosen[place] = pair
    return [chosen[place] for place in sorted(chosen)]
