"""The share of the text that has vectors, over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from nmt_ablation.results.results import at
from nmt_ablation.results.rows import CellRow, Share
from nmt_ablation.values import SIDES, Side

Shares = Mapping[tuple[Side, str], Share]
"""Shares of a side's `train` and `test` text; none of a side that starts at random."""


@dataclass(frozen=True)
class Covered:
    """The coverage of all arms of a size that have the same."""

    pairs: int
    shares: Shares
    arms: list[str]


def covered(rows: Sequence[CellRow]) -> list[Covered]:
    """Return the coverage of the arms that start from vectors."""
    with_vectors = [row for row in rows if row.coverage]
    found: list[Covered] = []
    for size, arm in dict.fromkeys((row.size, row.arm) for row in with_vectors):
        of_arm = at(with_vectors, size, arm)
        pairs, shares = round(mean(row.pairs for row in of_arm)), _shares(of_arm)
        same = (it for it in found if (it.pairs, it.shares) == (pairs, shares))
        if alike := next(same, None):
            alike.arms.append(arm)
        else:
            found.append(Covered(pairs, shares, [arm]))
    return found


def _shares(rows: Sequence[CellRow]) -> Shares:
    found: dict[tuple[Side, str], Share] = {}
    for side in SIDES:
        if side in rows[0].coverage:
            sides = [row.coverage[side] for row in rows]
            found[side, "train"] = _mean([it.train for it in sides])
            found[side, "test"] = _mean([it.test for it in sides])
    return found


def _mean(shares: Sequence[Share]) -> Share:
    return Share(types=mean(it.types for it in shares), tokens=mean(it.tokens for it in shares))
