"""Looks at an experiment whose seeds are added one by one: what may be decided, and when.

Each look is a chance to be wrong, so looks are declared beforehand, and p counts all of them: it is
the chance that the least p of all comparisons at all looks is as small where no arm differs. It is
found by simulation (a group-sequential design with one boundary for all looks, Pocock 1977). What
is decided at a look stays decided, and its row keeps the numbers of that look.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from scipy.special import stdtr

from nmt_ablation.results.rows import CellRow, ContrastRow, MeanRow
from nmt_ablation.results.spread import Block, Spreads
from nmt_ablation.values import Size

TRIALS = 20_000
"""Simulated experiments: they tell a level of 0.05 to 0.001."""
AT_ONCE = 2_000
SEED = 1


@cache
def least_p_values(arms: tuple[int, ...], looks: tuple[int, ...]) -> np.ndarray:
    """Return the least p of all comparisons with a baseline, at all looks, in simulated experiments
    where no arm differs and all scores vary alike.

    Args:
        arms: the number of arms that are compared at each size.
        looks: the numbers of seeds.

    Returns:
        `TRIALS` p-values in ascending order.
    """
    draw = np.random.default_rng(SEED).standard_normal
    sizes = tuple(number for number in arms if number)
    least = [
        np.min([it.p_values().min(1) for it in noise(draw, sizes, looks, AT_ONCE)], axis=0)
        for _ in range(TRIALS // AT_ONCE)
    ]
    return np.sort(np.concatenate(least))


@dataclass(frozen=True)
class Noise:
    """The gains of arms that do not differ, in many experiments at one look."""

    gains: np.ndarray
    """Experiments x comparisons, in standard deviations of an arm's score between seeds."""
    deviations: np.ndarray
    """Standard deviations of these as they are estimated, in the same unit."""
    freedom: np.ndarray
    """Degrees of freedom of the latter."""

    def p_values(self) -> np.ndarray:
        """Return p of each comparison alone."""
        return np.asarray(2 * stdtr(self.freedom, -np.abs(self.gains) / self.deviations))


def noise(
    draw: Callable[[tuple[int, ...]], np.ndarray],
    sizes: Sequence[int],
    looks: Sequence[int],
    number: int,
) -> list[Noise]:
    """Draw scores of experiments in which no arm differs; return what is estimated at each look.

    Args:
        draw: a function from a shape to scores with a standard deviation of 1.
        sizes: the number of arms that are compared at each size.
        number: the number of experiments.
    """
    scores = [draw((number, max(sizes) + 1, max(looks))) for _ in sizes]
    for of_size, arms in zip(scores, sizes, strict=True):
        of_size[:, arms + 1 :] = np.nan
    return [_at_look([of_size[..., :seeds] for of_size in scores], sizes) for seeds in looks]


def _at_look(scores: Sequence[np.ndarray], sizes: Sequence[int]) -> Noise:
    spreads, found = Spreads([Block(of_size) for of_size in scores]), []
    for size, (block, arms) in enumerate(zip(spreads.blocks, sizes, strict=True)):
        for arm in range(1, arms + 1):
            weights = block.weights(arm, 0)
            variance, freedom = spreads.variances(size, weights)
            found.append((block.scores @ weights, np.sqrt(variance), freedom))
    return Noise(*(np.stack(it, axis=1) for it in zip(*found, strict=True)))


def corrected(p: float, arms: Sequence[int], looks: Sequence[int]) -> float:
    """Return p of a comparison after correction for all comparisons at all looks."""
    found = least_p_values(tuple(arms), tuple(looks))
    return float((np.searchsorted(found, p, side="right") + 1) / (TRIALS + 1))


def level(alpha: float, arms: Sequence[int], looks: Sequence[int]) -> float:
    """Return the p of one comparison at one look that the correction makes alpha."""
    found = least_p_values(tuple(arms), tuple(looks))
    return float(found[max(0, math.ceil(alpha * (TRIALS + 1)) - 2)])


@dataclass(frozen=True)
class NextCells:
    """The cells that the next look needs: of all arms with an open question, and the baseline."""

    look: int
    """The number of seeds."""
    arms: dict[Size, list[str]]
    """The arms of each size."""


Compared = TypeVar("Compared", MeanRow, ContrastRow)


@dataclass(frozen=True)
class Looks:
    """The looks that an experiment declares."""

    counts: tuple[int, ...]
    """The number of seeds at each look."""
    seeds: tuple[int, ...]
    """The seeds in the order in which they are added."""
    primary: str
    """The metric that decides."""


def replay(
    rows: Sequence[CellRow],
    looks: Looks,
    compare: Callable[[Sequence[CellRow]], Sequence[Compared]],
) -> list[Compared]:
    """Return the rows of all comparisons, each with the numbers of the look that decided it, or
    else of the last look that it has seeds for.

    What no look has seen yet has no p.

    Args:
        compare: a function from cells to the rows of comparisons.
    """
    found: dict[object, Compared] = {}
    for count in looks.counts:
        until_now = set(looks.seeds[:count])
        for row in compare([it for it in rows if it.seed in until_now]):
            before = found.get(_key(row))
            undecided = before is None or is_open(before, looks.primary)
            if row.gains and row.seeds == count and undecided:
                found[_key(row)] = row
    every = compare(rows)
    return [found.get(_key(row)) or _not_seen(row) for row in every]


def is_open(row: MeanRow | ContrastRow, primary: str) -> bool:
    """Return True if a comparison isn't decided."""
    return row.gains[primary].verdict == "open"


def next_cells(
    rows: Iterable[MeanRow | ContrastRow],
    asked: Iterable[tuple[Size, str, str]],
    looks: Looks,
    baseline: str,
) -> NextCells | None:
    """Return what to train next; None if all is decided, or has all its looks behind it.

    Args:
        rows: the comparisons so far, as `replay` returns them.
        asked: the size and both arms of all comparisons of the experiment.
    """
    known = {_key(row): row for row in rows if row.gains}
    seen: dict[tuple[Size, str, str], int] = {}
    for size, arm, other in asked:
        row = known.get((size, arm, "" if other == baseline else other))
        if row is None or row.gains[looks.primary].p is None:
            seen[size, arm, other] = 0
        elif is_open(row, looks.primary) and row.seeds < looks.counts[-1]:
            seen[size, arm, other] = row.seeds
    if not seen:
        return None
    look = next(it for it in looks.counts if it > min(seen.values()))
    arms: dict[Size, list[str]] = {}
    for (size, arm, other), seeds in seen.items():
        if seeds < look:
            of_size = arms.setdefault(size, [baseline])
            of_size += [it for it in (arm, other) if it not in of_size]
    return NextCells(look, arms)


def _key(row: MeanRow | ContrastRow) -> tuple[Size, str, str]:
    return row.size, row.arm, row.other if isinstance(row, ContrastRow) else ""


def _not_seen(row: Compared) -> Compared:
    gains = {name: it.model_copy(update={"p": None}) for name, it in row.gains.items()}
    return row.model_copy(update={"gains": gains})
