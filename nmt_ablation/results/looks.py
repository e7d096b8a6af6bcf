"""Looks at an experiment whose seeds are added one by one: what may be decided, and when.

Each look is a chance to be wrong, so looks are declared beforehand, and p counts all of them (see
`dunnett`). What is decided at a look stays decided, and its row keeps the numbers of that look.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nmt_ablation.results.rows import CellRow, ContrastRow, MeanRow
from nmt_ablation.values import Size


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
