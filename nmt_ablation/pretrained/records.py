"""The records of alignments and of networks."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nmt_ablation.files import write_atomically


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


@dataclass(frozen=True)
class HeldOutLoss:
    """The loss on text that a network doesn't learn from, after some updates."""

    update: int
    loss: float
    """Bits for each prediction: of a token, or of a sentence's translation among others."""
    precision: float | None = None
    """The share of held-out sentences whose nearest neighbour in the other language is their
    translation, over both directions; None if the network learns no such thing."""


LOSSES = "held-out.json"


def write_losses(folder: Path, losses: Sequence[HeldOutLoss]) -> None:
    """Write losses where `read_losses` finds them, for whoever watches."""
    write_atomically(folder / LOSSES, json.dumps([asdict(it) for it in losses]))


def read_losses(folder: Path) -> list[HeldOutLoss]:
    """Read the losses that a network has left in its folder so far."""
    try:
        return [HeldOutLoss(**it) for it in json.loads((folder / LOSSES).read_text())]
    except FileNotFoundError:
        return []


@dataclass(frozen=True)
class NetworkRecord:
    """A pretrained network and the course of its training."""

    updates: int
    epochs: int
    """The number of times that the text was begun."""
    lines: int
    """The number of lines that the network learns from."""
    held_out: int
    """The number of lines that it doesn't learn from."""
    tokens: int
    """The number of tokens read, of both sides if the text is sentence pairs."""
    predicted: int
    """The number of predictions: of tokens, or of sentences."""
    too_long: int
    """The number of lines that fit into no batch."""
    validations: list[HeldOutLoss]
    seconds: float
    threads: int
    parameters: int
    """The number of weights of the parts that learn."""
    weights: str
    """The digest of all weights."""
    torch: str
    device: str
