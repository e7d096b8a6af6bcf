"""Alignment of the vectors of two languages in one space, by an orthogonal map.

Vectors are normalised to unit length and to mean zero, in turns (Zhang et al. 2019, "Are girls neko
or shōjo? Cross-lingual alignment of non-isomorphic embeddings with iterative normalization"). The
map is fitted to a lexicon (orthogonal Procrustes, Schönemann 1966). Each round of refinement
(Artetxe et al. 2017, "Learning bilingual word embeddings with (almost) no bilingual data") fits the
map again to the lexicon and to mutual nearest neighbours by CSLS (Conneau et al. 2018, "Word
translation without parallel data").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from nmt_ablation.corpus.hashes import hash_texts
from nmt_ablation.corpus.sample import ranks
from nmt_ablation.errors import UserError
from nmt_ablation.pretrained.lexicon import Entry
from nmt_ablation.pretrained.records import AlignmentRecord, Round
from nmt_ablation.values import Side

Values = NDArray[np.float32]
Rows = NDArray[np.int64]

TURNS = 5
"""Iterations of the normalisation; Zhang et al. need no more."""
NEIGHBOURS = 10
"""Nearest neighbours whose mean cosine CSLS subtracts, as in Conneau et al."""
FREQUENT = 20_000
"""Most frequent tokens of each side, the candidates for neighbours. Rarer tokens have poorer
vectors, and time grows with the square of this number."""
FEWEST = 20
"""The fewest entries that a map is fitted to; with fewer it is left to chance."""
MOST_HELD_OUT = 500
"""The most source words of a lexicon that are held out."""

_TOGETHER = 1 << 25  # cosines in memory at once: 128 MiB, whatever the vocabularies


@dataclass(frozen=True)
class Space:
    """One language's vectors."""

    tokens: list[str]
    """Tokens, the most frequent first."""
    values: Values
    """Vectors: tokens x dimension."""


@dataclass(frozen=True)
class Alignment:
    """The vectors of two languages in one space, each of length 1. Vectors of zeros have no
    direction, and are left out."""

    source: Space
    target: Space
    record: AlignmentRecord


def align(
    source: Space, target: Space, lexicon: Sequence[Entry], rounds: int, seed: int
) -> Alignment:
    """Normalise both sides, and map the source side into the space of the target side.

    A fifth of the lexicon's source words, at most 500, are held out: no round fits to an entry with
    one of these words or of their translations. Precision at 1 is the share of held-out words whose
    nearest neighbour by CSLS is a translation in the lexicon. Neighbours are searched among the
    20,000 most frequent tokens of each side and the held-out ones. The search goes in blocks, so
    beyond the vectors themselves, memory doesn't grow with the vocabularies.

    Args:
        source: the source side, in order of frequency.
        target: the target side, in order of frequency.
        lexicon: entries; a word may stand in several. Entries without vectors are skipped.
        rounds: the number of refinements; each fits to the lexicon and the entries that the round
            before found.
        seed: the seed of the choice of held-out words.

    Raises:
        UserError: a side has no vectors, the sides differ in dimension, or too few entries are
            left to fit to.
    """
    source, target = normalised(source, "source"), normalised(target, "target")
    dimensions = source.values.shape[1], target.values.shape[1]
    if dimensions[0] != dimensions[1]:
        raise UserError(
            f"the source vectors have {dimensions[0]} dimensions and the target vectors "
            f"{dimensions[1]}; one can't be turned onto the other, so take vectors of one dimension"
        )
    split = _Split(source, target, lexicon, seed)
    frequent = [
        np.union1d(split.held_out[:, side], np.arange(min(FREQUENT, len(space.tokens))))
        for side, space in enumerate((source, target))
    ]
    sources, targets = source.values[frequent[0]], target.values[frequent[1]]

    fitted, history = split.fitted, list[Round]()
    while True:
        rotation, _ = orthogonal_procrustes(
            source.values[fitted[:, 0]].astype(np.float64),
            target.values[fitted[:, 1]].astype(np.float64),
        )
        rotation = rotation.astype(np.float32)
        turned = sources @ rotation
        forward, backward = nearest(turned, targets), nearest(targets, turned)
        history.append(
            Round(
                fitted=len(fitted),
                source_to_target=split.precision(frequent[0], frequent[1][forward], 0),
                target_to_source=split.precision(frequent[0][backward], frequent[1], 1),
            )
        )
        if len(history) > rounds:
            break
        mutual = np.flatnonzero(backward[forward] == np.arange(forward.size))
        found = np.column_stack([frequent[0][mutual], frequent[1][forward[mutual]]])
        fitted = np.unique(np.concatenate([split.fitted, split.allowed(found)]), axis=0)
    record = AlignmentRecord(
        lexicon=len(set(lexicon)),
        known=len(split.known),
        fitted=len(split.fitted),
        held_out=int(np.unique(split.held_out[:, 0]).size),
        rounds=history,
    )
    return Alignment(Space(source.tokens, source.values @ rotation), target, record)


def normalised(space: Space, side: Side) -> Space:
    """Return vectors of length 1 whose mean is nearly zero. Vectors of zeros are left out.

    Raises:
        UserError: all vectors are zeros.
    """
    directed = np.linalg.norm(space.values, axis=1) > 0
    if not directed.any():
        raise UserError(f"the {side} side has no vectors to align; take others, or train them")
    tokens = [token for token, use in zip(space.tokens, directed.tolist(), strict=True) if use]
    values = space.values[directed]
    for turn in range(TURNS):
        if turn > 0:
            # In float64: a sum of 200,000 numbers in float32 would lose half of its digits.
            values -= values.mean(axis=0, dtype=np.float64).astype(np.float32)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        values /= np.where(lengths > 0, lengths, 1)  # a vector equal to the mean stays zero
    return Space(tokens, values)


def nearest(queries: Values, others: Values) -> Rows:
    """Return the row of the vector among `others` that is nearest to each query, by CSLS.

    CSLS is the cosine, less half of the other vector's mean cosine with its ten nearest queries, so
    that hubs (vectors near to everything) don't win. All vectors are rows of length 1.
    """
    crowd = np.concatenate([_top_mean(cosines) for cosines in _cosines(others, queries)])
    return np.concatenate([(2 * c - crowd).argmax(axis=1) for c in _cosines(queries, others)])


def _cosines(ones: Values, others: Values) -> Iterator[Values]:
    """Yield the cosines of each vector with all others (vectors x others), in blocks."""
    together = max(1, _TOGETHER // len(others))
    for start in range(0, len(ones), together):
        yield ones[start : start + together] @ others.T


def _top_mean(cosines: Values) -> Values:
    """Return the mean of the greatest cosines of each row."""
    number = min(NEIGHBOURS, cosines.shape[1])
    cosines.partition(-number, axis=1)
    return np.asarray(cosines[:, -number:].mean(axis=1))


class _Split:
    """A lexicon's entries as rows of the two spaces, split into fitted and held-out ones."""

    def __init__(self, source: Space, target: Space, lexicon: Sequence[Entry], seed: int) -> None:
        rows = [
            # In reverse order, so that the first of equal tokens counts.
            {token: row for row, token in reversed([*enumerate(space.tokens)])}
            for space in (source, target)
        ]
        entries = {
            (rows[0][one], rows[1][other])
            for one, other in lexicon
            if one in rows[0] and other in rows[1]
        }
        self.known: Rows = np.array(sorted(entries), np.int64).reshape(-1, 2)
        self._entries = entries
        words = np.unique(self.known[:, 0])
        order = np.argsort(ranks(hash_texts(source.tokens[row] for row in words), f"align {seed}"))
        chosen = words[order[: min(MOST_HELD_OUT, max(1, words.size // 5))]]
        self.held_out = self.known[np.isin(self.known[:, 0], chosen)]
        self.fitted = self.allowed(self.known)
        if len(self.fitted) < FEWEST:
            raise UserError(
                f"{len(entries)} of the lexicon's {len(set(lexicon))} entries have vectors on both "
                f"sides; some are held out, and {len(self.fitted)} are left to align by, but "
                f"{FEWEST} are needed; give a larger lexicon, spelled as the vectors' words are"
            )

    def allowed(self, entries: Rows) -> Rows:
        """Return the entries without a held-out token on either side."""
        held = [np.isin(entries[:, side], self.held_out[:, side]) for side in (0, 1)]
        return entries[~(held[0] | held[1])]

    def precision(self, sources: Rows, targets: Rows, side: int) -> float:
        """Return the share of a side's held-out words that are paired with a translation."""
        asked = np.isin((sources, targets)[side], self.held_out[:, side])
        pairs = zip(sources[asked].tolist(), targets[asked].tolist(), strict=True)
        return float(np.mean([pair in self._entries for pair in pairs]))
