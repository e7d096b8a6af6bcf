"""The curves of a report, described once; figure, page and terminal draw them."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt_ablation.results.curve import fitted
from nmt_ablation.results.results import Results, arms_of
from nmt_ablation.results.rows import CellRow, MeanRow


@dataclass(frozen=True)
class MeanPoint:
    """A mean over seeds with its 95% interval."""

    pairs: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CellPoint:
    """A cell; it is drawn hollow if the budget ended its training."""

    pairs: int
    value: float
    cell: CellRow


@dataclass(frozen=True)
class Curve:
    """An arm's curve: lines through runs of means with their bands, and a point for each cell."""

    arm: str
    runs: Sequence[Sequence[MeanPoint]]
    """Means; a run ends at a size at which only other arms were trained."""
    points: Sequence[CellPoint] = ()
    fit: Sequence[tuple[float, float]] = ()
    """Points of the fitted curve, which extends beyond the data."""
    beside: float = 0
    """The place among the curves, 0 in the middle; curves are shifted by it so that none hides
    another."""


@dataclass(frozen=True)
class Listed:
    """An arm's gain at one size, as an entry of a list."""

    arm: str
    pairs: int
    mean: MeanPoint
    points: Sequence[CellPoint]


def scores(results: Results, curves: Sequence[str]) -> list[Curve]:
    """Describe the primary scores of an experiment.

    Args:
        curves: the arms that are drawn as curves, in all experiments of a report.
    """
    metric = results.primary
    found = []
    for arm in results.curves:
        means = [row for row in results.means if row.arm == arm]
        runs = [[_score(row, metric) for row in run] for run in results.runs(arm, results.means)]
        points = [
            CellPoint(row.pairs, row.scores[metric].value, row)
            for row in results.cells
            if row.arm == arm
        ]
        fit = fitted(means, metric, results.measure)
        found.append(Curve(arm, runs, points, fit, _beside(arm, curves)))
    return found


def levels(results: Results) -> dict[str, float]:
    """Return the primary score of each published translator, which has no corpus size."""
    rows = (row for row in results.translators if results.primary in row.scores)
    return {row.name: row.scores[results.primary].value for row in rows}


def gains(results: Results, curves: Sequence[str]) -> list[Curve]:
    """Describe the gains over the baseline by the primary metric; arguments as of `scores`."""
    metric, compared = results.primary, [row for row in results.means if row.gains]
    found = []
    for arm in results.curves:
        runs = [[_gain(row, metric) for row in run] for run in results.runs(arm, compared)]
        points = [
            CellPoint(row.pairs, row.gains[metric], row)
            for row in results.cells
            if row.arm == arm and row.gains
        ]
        if arm != results.baseline and points:
            found.append(Curve(arm, runs, points, beside=_beside(arm, curves)))
    return found


def listed(results: Results) -> list[Listed]:
    """Describe the gains that curves can't show, because some arms have one size only."""
    metric = results.primary
    return [
        Listed(
            row.arm,
            row.pairs,
            _gain(row, metric),
            [CellPoint(cell.pairs, cell.gains[metric], cell) for cell in results.compared(row)],
        )
        for row in results.listed
    ]


def of_all(experiments: Sequence[Results]) -> list[str]:
    """Return the arms that are drawn as curves in some experiment, in a common order."""
    return [
        arm for arm in arms_of(experiments) if any(arm in results.curves for results in experiments)
    ]


def _beside(arm: str, curves: Sequence[str]) -> float:
    return curves.index(arm) - (len(curves) - 1) / 2


def _score(row: MeanRow, metric: str) -> MeanPoint:
    found = row.scores[metric]
    return MeanPoint(row.pairs, found.mean, found.low, found.high)


def _gain(row: MeanRow, metric: str) -> MeanPoint:
    found = row.gains[metric]
    return MeanPoint(row.pairs, found.mean, *found.interval)
