"""A table that is described once: its columns, entries and notes, for any back end to render."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from nmt_ablation.report.words import verdict_text
from nmt_ablation.results.rows import Gain, MeanScore, Verdict
from nmt_ablation.scoring.metric import Measure

Row = TypeVar("Row")
NOTHING = "–"


@dataclass(frozen=True)
class Entry:
    """One entry of a table."""

    text: str
    interval: str = ""
    mark: str = ""
    value: float | None = None
    """The number that the page sorts by, where the text isn't one."""
    code: bool = False
    """True if the text is set in a fixed-width font."""
    verdict: Verdict | None = None
    """The verdict, which the page shows by colour too."""

    def __str__(self) -> str:
        return " ".join(part for part in (self.text, self.interval, self.mark) if part)


@dataclass(frozen=True)
class Header:
    """The head of a column."""

    text: str
    left: bool = False
    """True if entries stand at the left, as names do; numbers stand at the right."""
    terminal: Literal["whole", "number", "no"] = "whole"
    """The form of the column in a narrow terminal: whole, without intervals, or left out."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column: its head, and its entry in a row."""

    header: Header
    entry: Callable[[Row], Entry]


@dataclass(frozen=True)
class Table:
    """A table, ready to be rendered."""

    heading: str
    headers: Sequence[Header]
    lines: Sequence[Sequence[Entry]]
    notes: Sequence[str] = ()
    """Paragraphs below it."""


def described(
    heading: str, columns: Sequence[Column[Row]], rows: Iterable[Row], notes: Sequence[str] = ()
) -> Table:
    """Return the table that columns make of rows."""
    lines = [[column.entry(row) for column in columns] for row in rows]
    return Table(heading, [column.header for column in columns], lines, notes)


def number(value: int, mark: str = "") -> Entry:
    """Return a whole number."""
    return Entry(f"{value:,}", mark=mark, value=value)


def score(found: MeanScore, measure: Measure, mark: str = "") -> Entry:
    """Return a score with its interval."""
    return _with_interval(found.mean, (found.low, found.high), measure.decimals, "", mark)


def gain(found: Gain | None, measure: Measure) -> Entry:
    """Return a gain with its interval, signed."""
    if found is None:
        return Entry(NOTHING)
    return _with_interval(found.mean, found.interval, measure.decimals, "+")


def verdict_entry(found: Gain, measure: Measure) -> Entry:
    """Return a gain with the sign of its verdict."""
    text = verdict_text(found, measure.decimals)
    return Entry(text, value=found.mean, verdict=found.verdict)


def p_entry(found: Gain | None) -> Entry:
    """Return a gain's p after correction."""
    if found is None or found.p is None:
        return Entry(NOTHING)
    return Entry(p_value(found.p), value=found.p)


def p_value(p: float) -> str:
    """Return a p-value as text."""
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def fixed(value: float, decimals: int, sign: str = "") -> Entry:
    """Return a number with so many digits after the point."""
    return Entry(f"{value:{sign}.{decimals}f}", value=value)


def _with_interval(
    mean: float, interval: tuple[float, float], decimals: int, sign: str, mark: str = ""
) -> Entry:
    shown, low, high = (f"{it:{sign}.{decimals}f}" for it in (mean, *interval))
    known = interval[0] < interval[1]  # over one seed, what sentences don't change has none
    return Entry(shown, f"({low} to {high})" if known else "", mark, value=mean)
