"""Validation and test pairs set aside, and training pairs that would leak them."""

from collections.abc import Iterable, Mapping

import numpy as np

from nmt_ablation.corpus.cleaned import CleanCorpus
from nmt_ablation.corpus.hashes import Flags, Hashes, among, pair_hashes
from nmt_ablation.corpus.measure import form_hashes
from nmt_ablation.corpus.sample import Smallest, ranks
from nmt_ablation.corpus.text import Pair, normal_form


class KnownSides:
    """Sentences that pairs are compared with, side by side: the hashes of their normal forms."""

    def __init__(self, sources: Iterable[Hashes] = (), targets: Iterable[Hashes] = ()) -> None:
        self.sides = _distinct(sources), _distinct(targets)

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> "KnownSides":
        """Return the sides of some pairs."""
        sources, targets = zip(*pairs, strict=True) if (pairs := list(pairs)) else ((), ())
        return cls([form_hashes(sources)], [form_hashes(targets)])

    def have_a_side(self, source_forms: Hashes, target_forms: Hashes) -> Flags:
        """Return a flag for each pair: one of its sides is a sentence of that side."""
        return among(source_forms, self.sides[0]) | among(target_forms, self.sides[1])


def _distinct(blocks: Iterable[Hashes]) -> Hashes:
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *blocks]))


def seen(forms: Hashes, text: Iterable[Hashes]) -> Flags:
    """Return a flag for each hashed normal form: it occurs in a text, which comes in blocks."""
    asked = np.unique(forms)
    found = [block[among(block, asked)] for block in text]
    return np.isin(forms, np.concatenate(found))


def set_aside(
    corpus: CleanCorpus | None, wanted: Mapping[str, tuple[int, list[Pair]]]
) -> dict[str, list[Pair]]:
    """Return the held-out sets by name: the pairs given for each, then pairs drawn from a corpus.

    No side of a drawn pair occurs in another set or among the pairs given. A set is smaller than
    wanted if the corpus has no more.

    Args:
        corpus: the corpus to draw from, if any.
        wanted: for each set, the number of pairs to draw, and the pairs given.
    """
    number = sum(number for number, _ in wanted.values())
    candidates = 2 * number
    while True:
        drawn = _first(corpus, candidates) if corpus and number else []
        chosen = _share_out(drawn, wanted)
        if len(drawn) < candidates or sum(map(len, chosen.values())) == number:
            return {name: given + chosen[name] for name, (_, given) in wanted.items()}
        candidates *= 4


def _first(corpus: CleanCorpus, number: int) -> list[Pair]:
    """Return the pairs of a corpus that come first in the order of holding out."""
    smallest = Smallest(number)
    start = 0
    for rows in corpus.index():
        pairs = pair_hashes(rows["source_form"], rows["target_form"])
        places = np.arange(start, start + rows.size, dtype=np.uint64)
        ones = np.ones(rows.size, np.uint32)
        smallest.add(ranks(pairs, "held out"), rows["exact"], places, ones)
        start += rows.size
    return corpus.pairs(smallest.places())


def _share_out(
    drawn: Iterable[Pair], wanted: Mapping[str, tuple[int, list[Pair]]]
) -> dict[str, list[Pair]]:
    """Fill the sets, one after the other, with pairs that share no side with another set."""
    chosen: dict[str, list[Pair]] = {name: [] for name in wanted}
    taken = {
        (side, normal_form(pair[side])): ""
        for _, given in wanted.values()
        for pair in given
        for side in (0, 1)
    }
    left = iter(drawn)
    for name, (number, _) in wanted.items():
        while len(chosen[name]) < number and (pair := next(left, None)) is not None:
            forms = [(side, normal_form(pair[side])) for side in (0, 1)]
            if all(taken.get(form, name) == name for form in forms):
                taken |= dict.fromkeys(forms, name)
                chosen[name].append(pair)
    return chosen
