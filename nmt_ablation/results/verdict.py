"""The decisions of a verdict: the sizes at which each arm gains, loses, or neither."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import MeanRow, by_arm


@dataclass(frozen=True)
class Decision:
    """The means of one arm, by the significance of their gains over the baseline."""

    arm: str
    better: Sequence[MeanRow]
    """Sizes with a significant gain."""
    worse: Sequence[MeanRow]
    """Sizes with a significant loss."""
    open: Sequence[MeanRow]
    """Sizes without a significant difference."""

    @property
    def sizes(self) -> list[MeanRow]:
        """All means, in the order of sizes."""
        return sorted([*self.better, *self.worse, *self.open], key=lambda row: row.pairs)


@dataclass(frozen=True)
class Basis:
    """The numbers that a verdict rests on."""

    seeds: tuple[int, int]
    """The fewest and the most seeds of a mean."""
    test_sentences: int
    comparisons: int
    """The number of comparisons that p is corrected for."""
    trainings: int
    by_budget: int
    """The number of trainings that the budget ended before patience did."""


def decide(results: Results) -> list[Decision]:
    """Decide by the primary metric, for each arm that has a gain."""
    decisions = []
    for arm, rows in by_arm([row for row in results.means if row.gains]).items():
        gains = [(row, row.gains[results.primary]) for row in rows]
        decisions.append(
            Decision(
                arm,
                better=[row for row, gain in gains if gain.significant and gain.mean > 0],
                worse=[row for row, gain in gains if gain.significant and gain.mean < 0],
                open=[row for row, gain in gains if not gain.significant],
            )
        )
    return decisions


def basis(results: Results) -> Basis:
    """Return the numbers behind the decisions of an experiment with gains."""
    compared = [row for row in results.means if row.gains]
    seeds = [row.seeds for row in compared]
    return Basis(
        seeds=(min(seeds), max(seeds)),
        test_sentences=results.cells[0].test_sentences,
        comparisons=comparisons(results),
        trainings=len(results.cells),
        by_budget=sum(row.by_budget for row in results.cells),
    )


def comparisons(results: Results) -> int:
    """Return the number of comparisons with the baseline in the whole experiment."""
    return max(results.design.gains, sum(bool(row.gains) for row in results.means))
