"""Set dev and test aside, and keep everything that could leak them out of training."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from nmt_ablation.corpus.sample import rank, smallest
from nmt_ablation.corpus.text import Pair, normal_form


class HeldOutText:
    """The normal forms of all sentences of dev and test, for both sides."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.sides: tuple[set[str], set[str]] = (set(), set())
        self.add(pairs)

    def add(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            for seen, line in zip(self.sides, pair, strict=True):
                seen.add(normal_form(line))

    def leaks(self, pair: Pair) -> bool:
        """Whether either side of a pair occurs in dev or test, on that side."""
        return any(normal_form(line) in seen for seen, line in zip(self.sides, pair, strict=True))


def set_aside(
    pool: Callable[[], Iterable[Pair]], wanted: Mapping[str, tuple[int, list[Pair]]]
) -> dict[str, list[Pair]]:
    """Held-out sets by name: the pairs given for each, then so many more from the pool.

    No side of a pair from the pool occurs in another set, or among the pairs given. A set is
    smaller than wanted where the pool has no more.
    """
    held_out = HeldOutText(pair for _, given in wanted.values() for pair in given)
    chosen = {}
    for name, (number, given) in wanted.items():
        left = (pair for pair in pool() if not held_out.leaks(pair))
        drawn = smallest(left, number, f"held out: {name}")
        held_out.add(drawn)
        chosen[name] = given + drawn
    return chosen


class Pool:
    """What is left for training: pairs neither side of which is held out."""

    def __init__(self, held_out: Iterable[Pair]) -> None:
        self.held_out = HeldOutText(held_out)
        self.kept = self.leaked = 0
        self.distinct: set[int] = set()
        """Ranks of the pairs kept, of which duplicates share one."""

    def of(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """The pairs that may be trained on, duplicates among them."""
        for pair in pairs:
            if self.held_out.leaks(pair):
                self.leaked += 1
            else:
                self.kept += 1
                self.distinct.add(rank(pair, "pool"))
                yield pair
