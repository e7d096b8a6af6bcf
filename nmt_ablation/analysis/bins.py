"""Classes of tokens, words and sentences by a number."""

from collections.abc import Sequence

FREQUENCIES = (0, 1, 10, 100, 1000)
"""The fewest occurrences of the tokens of each class."""
LENGTHS = (1, 11, 21, 41)
"""The fewest words of the sentences of each class."""


def names(least: Sequence[int], unit: str) -> list[str]:
    """Return the names of all classes.

    Args:
        least: the least number of each class, in order.
        unit: a noun in the plural.
    """
    ends = [*least[1:], None]
    return [_name(first, beyond, unit) for first, beyond in zip(least, ends, strict=True)]


def class_of(number: int, least: Sequence[int]) -> int:
    """Return the number of the class that a number is in."""
    return sum(number >= first for first in least[1:])


def _name(first: int, beyond: int | None, unit: str) -> str:
    if beyond is None:
        return f"{first:,} {unit} or more"
    return "unseen" if not first else f"{first:,} to {beyond - 1:,} {unit}"
