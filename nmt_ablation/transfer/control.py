"""Controls: the same numbers as a network's, without the knowledge."""

import hashlib
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.model.parts import PARTS, WITH_ROWS, Part

Control: TypeAlias = Literal["shuffled", "shuffled-weights"]
"""`shuffled` gives each token the row of another; `shuffled-weights` shuffles the numbers within
each matrix."""


def controlled(
    weight: NDArray[np.float32], name: str, part: Part, control: Control | None, seed: int
) -> NDArray[np.float32]:
    """Return the weight that a part starts from under a control. What is no number stays.

    Each part has a permutation of its own: under a common one, rows of a token in different parts
    would stay matched. Special symbols keep their rows, among them the zeros of padding.

    Args:
        weight: the network's weight.
        name: the weight's name in the model.
        control: the control; None returns the weight itself.
        seed: the seed of the permutations.
    """
    first = SPECIAL_SYMBOLS if part in WITH_ROWS else 0
    shuffled, rest = weight.copy(), weight[first:]
    if control == "shuffled" and part in WITH_ROWS:
        there = ~np.isnan(rest).any(1)
        order = np.random.default_rng((seed, PARTS.index(part))).permutation(int(there.sum()))
        shuffled[first:][there] = rest[there][order]
    if control == "shuffled-weights":
        there = ~np.isnan(rest)
        order = np.random.default_rng(seed_of(name, seed)).permutation(int(there.sum()))
        shuffled[first:][there] = rest[there][order]
    return shuffled


def seed_of(name: str, seed: int) -> int:
    """Return a seed of a weight's own, of 63 bits."""
    return int.from_bytes(hashlib.sha256(f"{name} {seed}".encode()).digest()[:8], "big") >> 1
