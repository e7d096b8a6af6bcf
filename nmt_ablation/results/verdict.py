"""The decisions of a report: whether arms are better, worse, equivalent, or not known to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import ContrastRow, Gain, MeanRow, Verdict, by_arm

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Decision:
    """The decisions on one arm, against the baseline or another arm, at each size."""

    arm: str
    other: str
    rows: Sequence[MeanRow | ContrastRow]
    """The rows in the order of sizes."""
    metric: str

    def of(self, row: MeanRow | ContrastRow) -> Verdict:
        """Return the decision at a size."""
        return row.gains[self.metric].verdict

    @property
    def everywhere(self) -> Verdict | None:
        """The decision at all sizes; None if sizes differ."""
        found = {self.of(row) for row in self.rows}
        return found.pop() if len(found) == 1 else None

    @property
    def partly(self) -> Verdict | None:
        """The decision at some sizes, if others are open; None if there is none, or several."""
        found = {self.of(row) for row in self.rows}
        if "open" not in found or len(found) != 2:
            return None
        return (found - {"open"}).pop()

    @property
    def changes(self) -> bool:
        """True if there are different decisions at some sizes."""
        return self.everywhere is None and self.partly is None

    def sizes(self, verdict: Verdict) -> list[int]:
        """Return the sizes with a decision, in pairs."""
        return [row.pairs for row in self.rows if self.of(row) == verdict]


Outcome = Literal["held", "refuted", "not decided"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Judged:
    """A prediction at one size, and what was found."""

    arm: str
    other: str
    expected: Verdict
    row: MeanRow | ContrastRow
    found: Gain

    @property
    def outcome(self) -> Outcome:
        """The outcome: another verdict than the expected one refutes it."""
        if self.found.verdict == "open":
            return "not decided"
        return "held" if self.found.verdict == self.expected else "refuted"


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


def decide(results: Results, metric: str = "") -> list[Decision]:
    """Decide by a metric, or else by the primary one, on each arm that has a gain over the
    baseline, family by family."""
    metric = metric or results.primary
    found = by_arm([row for row in results.means if row.gains])
    return [
        Decision(arm, results.baseline, sorted(found[arm], key=lambda row: row.pairs), metric)
        for arm in results.design.families
        if arm in found
    ]


def decide_contrasts(results: Results) -> list[Decision]:
    """Decide by the primary metric on each contrast of two arms."""
    of_arms: dict[tuple[str, str], list[ContrastRow]] = {}
    for row in results.contrasts:
        of_arms.setdefault((row.arm, row.other), []).append(row)
    return [
        Decision(arm, other, sorted(rows, key=lambda row: row.pairs), results.primary)
        for (arm, other), rows in of_arms.items()
    ]


def judge_predictions(results: Results) -> list[Judged]:
    """Return the predictions of an experiment, judged by the primary metric, as far as compared."""
    found = []
    for prediction in results.design.predictions:
        other = prediction.than or results.baseline
        decided = decide(results) if other == results.baseline else decide_contrasts(results)
        for decision in decided:
            if (decision.arm, decision.other) == (prediction.arm, other):
                found += [
                    Judged(
                        decision.arm, other, prediction.expected, row, row.gains[decision.metric]
                    )
                    for row in decision.rows
                    if prediction.sizes is None or row.size in prediction.sizes
                ]
    return found


def basis(results: Results) -> Basis:
    """Return the numbers behind the decisions of an experiment with gains."""
    seeds = [row.seeds for row in results.means if row.gains]
    return Basis(
        seeds=(min(seeds), max(seeds)),
        test_sentences=results.cells[0].test_sentences,
        comparisons=comparisons(results),
        trainings=len(results.cells),
        by_budget=sum(row.by_budget for row in results.cells),
    )


def comparisons(results: Results) -> int:
    """Return the number of comparisons with the baseline in the whole experiment."""
    return sum(results.design.compared)
