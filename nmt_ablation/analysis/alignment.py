"""Alignment: whether the two languages lie in one space, as they are and after a rotation.

Neighbours are by CSLS (Conneau et al. 2018), and the rotation is fitted by Procrustes after
iterative normalisation (Zhang et al. 2019), as for vectors that are aligned before training.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nmt_ablation.analysis import Finding, ModelAnalysis
from nmt_ablation.pretrained.align import Space, align, nearest
from nmt_ablation.pretrained.lexicon import PAIRS, Entry, induced
from nmt_ablation.values import SIDES, Side

if TYPE_CHECKING:
    from nmt_ablation.analysis.subject import Subject

SEED = 1
"""The seed of the choice of what is held out."""
FEWEST = 40
"""The fewest entries to measure: a fifth is held out, and 20 are needed to fit a rotation."""


class Alignment(ModelAnalysis):
    """The precision at 1 with which translations are nearest to each other: of tokens, by the
    embeddings of both sides and a lexicon that is induced from the sample, and of sentences of the
    validation set, by the mean states of each encoder layer, if both languages have one
    dictionary."""

    title: ClassVar[str] = "Alignment of the two languages"
    shows: ClassVar[str] = (
        "Translations that are each other's nearest neighbours, in percent: as they are, and, of a "
        "fifth that is held out, after the source side is rotated onto the target side. If only "
        "the second is high, both languages have one shape, and no common space."
    )
    hides: ClassVar[str] = (
        "A translation model needs no common space: its encoder reads the source alone, and what "
        "it makes of target sentences plays no part."
    )
    decimals: ClassVar[int] = 1

    def findings(self, subject: "Subject") -> Iterator[Finding]:
        source, target = (_embeddings(subject, side) for side in SIDES)
        yield from _precisions("embeddings of tokens", source, target, _lexicon(subject))
        if subject.dictionary("source") != subject.dictionary("target"):
            return
        of_source, of_target = (subject.sentence_vectors(side) for side in SIDES)
        for layer, vectors in of_source.items():
            names = [str(number) for number in range(len(vectors))]
            source = Space(names, vectors.numpy())
            target = Space(names, of_target[layer].numpy())
            same = list(zip(names, names, strict=True))
            yield from _precisions(f"sentences, {layer}", source, target, same)


def _embeddings(subject: "Subject", side: Side) -> Space:
    """Return a side's embeddings, without special symbols."""
    dictionary, rows = subject.dictionary(side), subject.embeddings(side, subject.weights)
    first = dictionary.nspecial
    return Space(list(dictionary.symbols[first:]), rows[first:].float().numpy())


def _lexicon(subject: "Subject") -> list[Entry]:
    """Return a lexicon of tokens that is induced from the sample."""

    def tokens(side: Side) -> list[list[str]]:
        dictionary, lines = subject.dictionary(side), islice(subject.sample(side), PAIRS)
        return [[dictionary[at] for at in line.tolist()[:-1]] for line in lines]

    return induced(*map(tokens, SIDES))


def _precisions(
    place: str, source: Space, target: Space, lexicon: Sequence[Entry]
) -> Iterator[Finding]:
    """Yield the mean precision of both directions, before and after the rotation."""
    if len(lexicon) < FEWEST:
        return
    rows = [{token: row for row, token in enumerate(it.tokens)} for it in (source, target)]
    asked = np.array([(rows[0][one], rows[1][other]) for one, other in lexicon])
    unit = [
        it.values / np.maximum(np.linalg.norm(it.values, axis=1, keepdims=True), 1e-9)
        for it in (source, target)
    ]
    forward = nearest(unit[0], unit[1])[asked[:, 0]] == asked[:, 1]
    backward = nearest(unit[1], unit[0])[asked[:, 1]] == asked[:, 0]
    mean = float(np.mean([forward, backward]))
    yield Finding("nearest as they are, in %", place, 100 * mean)
    found = align(source, target, lexicon, 0, SEED).record.rounds[0]
    mean = (found.source_to_target + found.target_to_source) / 2
    yield Finding("nearest after a rotation, in %", place, 100 * mean)
