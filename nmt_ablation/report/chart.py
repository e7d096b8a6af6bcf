"""Curves and forest plots of the page, as coordinates that its template draws in SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 12, 42
"""Margins around the curves, for labels."""
ROW, LETTER = 26, 7
"""Height of a forest plot's row, and width of a letter of its label."""


STYLES = 10
"""The number of colours, and of shapes; further arms combine them again."""
SHAPES = (
    "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0 -2 0Z",
    "M-.9 -.9H.9V.9H-.9Z",
    "M0 -1.2L1.1 .8H-1.1Z",
    "M0 -1.3L1.1 0L0 1.3L-1.1 0Z",
    "M0 1.2L1.1 -.8H-1.1Z",
    "M-.4 -1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
    "M0 -.5L.7 -1.2L1.2 -.7L.5 0L1.2 .7L.7 1.2L0 .5L-.7 1.2L-1.2 .7L-.5 0L-1.2 -.7L-.7 -1.2Z",
    "M-1.2 0L.8 -1.1V1.1Z",
    "M1.2 0L-.8 -1.1V1.1Z",
    "M0 -1.4L.4 -.4H1.4L.6 .3L.9 1.3L0 .7L-.9 1.3L-.6 .3L-1.4 -.4H-.4Z",
)
"""Outlines of points, about 1 from their middle."""


def shape(style: int) -> str:
    """Return the outline of an arm's points. Arms that share a colour have other shapes."""
    return SHAPES[(style + 3 * (style // STYLES)) % len(SHAPES)]


@dataclass(frozen=True)
class Point:
    """A point with a tooltip, for the mouse and the keyboard."""

    x: float
    y: float
    tip: str
    hollow: bool = False


@dataclass(frozen=True)
class Series:
    """The lines, bands and points of one arm."""

    name: str
    style: int
    """Number of the colour and the dashes on the page."""
    lines: Sequence[Sequence[tuple[float, float]]]
    bands: Sequence[Sequence[tuple[float, float, float]]] = ()
    """Points of each band: x, and the ends of the interval there."""
    points: Sequence[Point] = ()
    fit: Sequence[tuple[float, float]] = ()
    """A thin line, which may extend beyond the data."""
    beside: float = 0
    """A shift to the right in the picture's units, so that arms don't hide each other."""


@dataclass
class Chart:
    """Series in the coordinates of a picture of WIDTH x HEIGHT."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log_x: bool = False
    from_zero: bool = False
    levels: Sequence[Point] = ()
    """Lines from side to side, at the height of each point, under the words of its tooltip."""
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)

    def __post_init__(self) -> None:
        lines = [at for one in self.series for line in one.lines for at in line]
        measured = [x for x, _ in lines]
        measured += [point.x for one in self.series for point in one.points]
        measured = measured or [1.0]
        xs = measured + [x for one in self.series for x, _ in one.fit]
        ys = [y for _, y in lines] + [y for one in self.series for _, y in one.fit]
        ys += [y for one in self.series for band in one.bands for _, *ends in band for y in ends]
        ys += [point.y for one in self.series for point in one.points]
        ys += [level.y for level in self.levels]
        ys += [0.0] if self.from_zero or not ys else []
        self._x = self._scaled(min(xs)), self._scaled(max(xs))
        low, high = min(ys), max(ys)
        room = (high - low) * 0.05 or 1.0
        self._y = (low if low == 0 else low - room), high + room
        self.x_ticks = sorted(set(measured)) if self.log_x else _ticks(min(xs), max(xs))
        self.y_ticks = _ticks(*self._y)

    def x(self, value: float) -> float:
        low, high = self._x
        share = (self._scaled(value) - low) / (high - low) if high > low else 0.5
        room = max((abs(one.beside) for one in self.series), default=0)
        return round(LEFT + room + share * (WIDTH - LEFT - RIGHT - 2 * room), 1)

    def y(self, value: float) -> float:
        low, high = self._y
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def line(self, points: Sequence[tuple[float, float]]) -> str:
        """Return points for an SVG polyline."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)

    def band(self, ends: Sequence[tuple[float, float, float]]) -> str:
        """Return points for an SVG polygon."""
        there = [(x, low) for x, low, _ in ends]
        back = [(x, high) for x, _, high in reversed(ends)]
        return self.line(there + back)

    @property
    def bottom(self) -> int:
        return HEIGHT - BOTTOM

    @property
    def left(self) -> int:
        return LEFT

    @property
    def right(self) -> int:
        return WIDTH - RIGHT

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log_x else value


@dataclass(frozen=True)
class ForestRow:
    """A mean with its interval, and a point for each seed."""

    label: str
    arm: str
    style: int
    mean: Point
    low: float
    high: float
    points: Sequence[Point]


@dataclass
class Forest:
    """A forest plot: differences one below the other, on one scale."""

    title: str
    x_label: str
    rows: Sequence[ForestRow]

    def __post_init__(self) -> None:
        ends = [end for row in self.rows for end in (row.low, row.high)]
        ends += [0.0, *(point.x for row in self.rows for point in row.points)]
        room = (max(ends) - min(ends)) * 0.05 or 1.0
        self._x = min(ends) - room, max(ends) + room
        self.x_ticks = _ticks(*self._x)
        self.left = 2 * LEFT // 3 + LETTER * max(len(row.label) for row in self.rows)
        self.right = WIDTH - RIGHT
        self.width, self.bottom = WIDTH, TOP + ROW * len(self.rows)
        self.height = self.bottom + BOTTOM

    def x(self, value: float) -> float:
        low, high = self._x
        return round(self.left + (value - low) / (high - low) * (self.right - self.left), 1)

    def y(self, at: float) -> float:
        """Return the y of a row's middle."""
        return TOP + ROW * at + ROW // 2


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers for an axis."""
    if low == high:
        return [low]
    step = 10 ** math.floor(math.log10(high - low))
    while (high - low) / step < 3:
        step /= 2
    while (high - low) / step > 8:
        step *= 2
    first = math.ceil(low / step)
    return [round(at * step, 10) for at in range(first, math.floor(high / step) + 1)]
