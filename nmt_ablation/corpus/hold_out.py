"""Set dev and test aside, and know what would leak them."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus.hashes import Flags, Hashes, among, pair_hashes
from nmt_ablation.corpus.measure import form_hashes
from nmt_ablation.corpus.sample import Smallest, ranks
from nmt_ablation.corpus.text import Pair

ROWS = 1 << 20
"""Of an index that are looked at together."""


class HeldOutText:
    """The normal forms of all sentences of dev and test, hashed, side by side."""

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self.sides: tuple[Hashes, Hashes] = (np.zeros(0, np.uint64), np.zeros(0, np.uint64))
        self.add(pairs)

    def add(self, pairs: Iterable[Pair]) -> None:
        sources, targets = zip(*pairs, strict=True) if (pairs := list(pairs)) else ((), ())
        self.sides = (
            np.union1d(self.sides[0], form_hashes(sources)),
            np.union1d(self.sides[1], form_hashes(targets)),
        )

    def leaks(self, source_forms: Hashes, target_forms: Hashes) -> Flags:
        """Which pairs have a side that occurs in dev or test, on that side."""
        return among(source_forms, self.sides[0]) | among(target_forms, self.sides[1])


def set_aside(
    index: npt.NDArray[np.void],
    text_of: Callable[[npt.NDArray[np.uint64]], list[Pair]],
    wanted: Mapping[str, tuple[int, list[Pair]]],
) -> dict[str, list[Pair]]:
    """Held-out sets by name: the pairs given for each, then so many more from one corpus.

    No side of a pair from the corpus occurs in another set, or among the pairs given. A set is
    smaller than wanted where the corpus has no more.

    Args:
        index: of the corpus (`clean.INDEX`).
        text_of: the pairs at some places of the index.
        wanted: for each set how many are drawn, and the pairs given.
    """
    held_out = HeldOutText(pair for _, given in wanted.values() for pair in given)
    chosen = {}
    for name, (number, given) in wanted.items():
        smallest = Smallest(number)
        for start in range(0, len(index) if number else 0, ROWS):
            rows = index[start : start + ROWS]
            left = ~held_out.leaks(rows["source_form"], rows["target_form"])
            rows, places = rows[left], np.flatnonzero(left).astype(np.uint64) + np.uint64(start)
            pairs = pair_hashes(rows["source_form"], rows["target_form"])
            ones = np.ones(rows.size, np.uint32)
            smallest.add(ranks(pairs, f"held out: {name}"), rows["exact"], places, ones)
        drawn = text_of(smallest.places())
        held_out.add(drawn)
        chosen[name] = given + drawn
    return chosen
