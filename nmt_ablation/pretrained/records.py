"""The records of alignments."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """One round of an alignment."""

    fitted: int
    """The number of entries that the map was fitted to."""
    source_to_target: float
    """Precision at 1 on held-out words."""
    target_to_source: float


@dataclass(frozen=True)
class AlignmentRecord:
    """The entries of an alignment, and its precision on those held out."""

    lexicon: int
    """The number of entries in the lexicon."""
    known: int
    """The number of entries with vectors on both sides."""
    fitted: int
    """The number of known entries that the first map was fitted to."""
    held_out: int
    """The number of source words that precision is measured on."""
    rounds: list[Round]
    """All rounds; the first is before refinement."""
