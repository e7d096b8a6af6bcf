"""Set dev and test aside, and keep everything that could leak them out of training."""

from collections.abc import Iterable, Iterator

from nmt_ablation.corpus.sample import smallest
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


def draw(pool: Iterable[Pair], n: int, avoid: HeldOutText, name: str) -> list[Pair]:
    """`n` pairs of a pool for a held-out set, none of whose sides is held out already."""
    return smallest((pair for pair in pool if not avoid.leaks(pair)), n, f"held out: {name}")


def without_leaks(pairs: Iterable[Pair], held_out: HeldOutText) -> Iterator[Pair]:
    """The pairs neither side of which is held out."""
    return (pair for pair in pairs if not held_out.leaks(pair))
