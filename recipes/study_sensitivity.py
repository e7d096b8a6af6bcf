"""Judge the study's questions again, by the rules of today, from the results that are kept.

  python recipes/study_sensitivity.py docs/results/study/parts >docs/results/study/sensitivity.md

The rules that were laid down before the study ran judge it (study_judged.py). This page asks how
much hangs on them: spread is pooled over arms and sizes, differences of gains have degrees of
freedom of their own, and p is corrected for all questions together. It also asks what adding seeds
until all is decided would have cost.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from study_judged import (
    MADE_UP,
    MADE_UP_STRONG,
    REAL,
    WEAK,
    Difference,
    Prediction,
    Study,
    predictions,
)

from nmt_ablation.report.table import p_value
from nmt_ablation.results.files import load
from nmt_ablation.results.join import join
from nmt_ablation.results.means import Comparisons, Resamples, Seeds
from nmt_ablation.results.power import TRIALS, Plan, blocks_of, power, spread_of
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import SIGNIFICANT
from nmt_ablation.results.spread import Block
from nmt_ablation.results.statistics import Estimate, holm
from nmt_ablation.values import Size

LOOKS = (3, 4, 5, 6, 8, 10, 12)
SMALLEST = 1.0
METRIC = "bleu"

HEAD = """\
# The questions, judged again by today's rules

[The predictions, judged](judged.md) goes by the rules that were written before the study ran. This
page goes by those of today, for the same cells: the spread between seeds is pooled over arms and
sizes, and a difference of two gains has its own degrees of freedom ([verdicts](../../verdicts.md)).
*Today, alone* is the 95% interval of one question; *today, together* goes by p after Holm's
correction for all questions. The rules were chosen when all results were known, so this is a check
of how much hangs on them, and replaces no judgement.

| | difference in BLEU | predicted | interval before | today, alone | judged before | today, alone \
| p, together | today, together |
| ---: | --- | --- | ---: | ---: | --- | --- | ---: | --- |"""
STALE = """
## Arms with two seeds

At 1,000 pairs six arms have two seeds, which hardly tell a variance: intervals before are too
narrow. The estimates differ where the third seed of other arms says something of these two.

| arm | gain | before | today, alone |
| --- | ---: | ---: | ---: |"""
REPLAY = f"""
## What adding seeds would have cost

Each experiment is run again {TRIALS:,} times in a simulation: arms have the gains that were found,
and noise is drawn from the residuals of the recorded cells. Decided means better, worse or
equivalent within {SMALLEST:g} BLEU, after correction for all comparisons with the baseline and all
looks, which are at {", ".join(map(str, LOOKS))} seeds.

| experiment | rule | comparisons | decided | cells | core-hours | core-hours for each decided |
| --- | --- | ---: | ---: | ---: | ---: | ---: |"""


@dataclass(frozen=True)
class Anew(Difference):
    """A difference in BLEU by today's rules, with the interval of this question alone."""

    found: Estimate | None = None

    @classmethod
    def of(cls, found: Estimate) -> "Anew":
        return cls(found.mean, *found.interval(), found=found)

    @property
    def estimate(self) -> Estimate:
        assert self.found is not None
        return self.found

    def __sub__(self, other: Difference) -> "Anew":
        assert isinstance(other, Anew)
        return Anew.of(self.estimate.minus(other.estimate))

    def decided_at(self, low: float, high: float) -> float:
        """Return the p at which the question is decided: its interval is within the range that is
        predicted, or outside of it."""
        ends = [it for it in (low, high) if np.isfinite(it)]
        if len(ends) == 2 and low < self.mean < high:
            return self.estimate.shifted((low + high) / 2).p_within((high - low) / 2)
        return self.estimate.shifted(min(ends, key=lambda end: abs(self.mean - end))).p


def scores_of(results: Results) -> dict[Size, Seeds]:
    """Return an experiment's scores by size, arm and seed. Where resamples weren't kept, sentences
    are taken as they are, which hardly narrows intervals: seeds have most of their noise."""
    known: Resamples = results.resamples
    found: dict[Size, Seeds] = {}
    for row in results.cells:
        alone = {METRIC: np.full(3, row.scores[METRIC].value)}
        of_arm = found.setdefault(row.size, {}).setdefault(row.arm, {})
        of_arm[row.seed] = known.get(row.cell, alone)
    return found


class StudyAnew(Study):
    """The gains and contrasts of the study by today's rules."""

    def __init__(self, experiments: Sequence[Results]) -> None:
        self.gains: dict[tuple[str, Size, str], Difference] = {}
        self.contrasts: dict[tuple[str, Size, str, str], Difference] = {}
        for each in experiments:
            compared = Comparisons(scores_of(each), METRIC, each.measures[METRIC])
            for row in each.means:
                if row.gains:
                    found = compared.gain(row.size, row.arm, each.baseline)
                    self.gains[each.name, row.size, row.arm] = Anew.of(found)
            for pair in each.contrasts:
                found = compared.gain(pair.size, pair.arm, pair.other)
                self.contrasts[each.name, pair.size, pair.arm, pair.other] = Anew.of(found)


def questions(before: Study, anew: Study) -> Iterator[str]:
    """Yield the table of all questions, and counts of judgements."""
    asked = [it for it in predictions() if _known(it, before)]
    found = [found for it in asked if isinstance(found := it.of(anew), Anew)]
    p_values = [it.decided_at(q.low, q.high) for q, it in zip(asked, found, strict=True)]
    counts = {name: Counter[str]() for name in ("before", "today, alone", "today, together")}
    for question, it, p in zip(asked, found, holm(p_values, len(asked)), strict=True):
        old, point = question.of(before), Difference(it.mean, it.mean, it.mean)
        together = question.judged(point) if p < SIGNIFICANT else "not decidable"
        judged = question.judged(old), question.judged(it), together
        for count, what in zip(counts.values(), judged, strict=True):
            count[what] += 1
        yield (
            f"| {question.number} | {question.difference} | {question.says} | {_ends(old)} | "
            f"{_ends(it)} | {judged[0]} | {judged[1]} | {p_value(p)} | {together} |"
        )
    yield ""
    for name, count in counts.items():
        rows = ", ".join(f"{number} {judged}" for judged, number in count.most_common())
        yield f"- {name.capitalize()}: {rows}."


def _known(question: Prediction, study: Study) -> bool:
    try:
        question.of(study)
    except KeyError:
        return False
    return True


def _ends(found: Difference) -> str:
    return f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def stale(real: Results, anew: StudyAnew) -> Iterator[str]:
    """Yield the arms of two seeds at 1,000 pairs, before and today."""
    for row in real.means:
        if row.size == 1000 and row.seeds == 2 and row.gains:
            old, now = row.gains[METRIC], anew.gains[real.name, row.size, row.arm]
            yield (
                f"| {row.arm} | {now.mean:+.2f} | {old.low:+.2f} to {old.high:+.2f} | "
                f"{now.low:+.2f} to {now.high:+.2f} |"
            )


def replayed(results: Results, anew: StudyAnew) -> Iterator[str]:
    """Yield what an experiment of these gains and this noise finds, by looks and by three seeds."""
    scores = {row.cell: row.scores[METRIC].value for row in results.cells}
    sizes = list(dict.fromkeys(row.size for row in results.cells))
    gains = {
        size: [
            it.mean
            for (name, at, _), it in anew.gains.items()
            if (name, at) == (results.name, size)
        ]
        for size in sizes
    }
    residuals = np.concatenate([_residuals(block) for block in blocks_of(scores)])
    residuals /= residuals.std()
    random = np.random.default_rng(1)
    seconds = {
        size: fmean(row.training.seconds for row in results.cells if row.size == size)
        for size in sizes
    }
    number = [len(gains[size]) for size in sizes]
    for rule, looks in (("3 seeds", (3,)), ("until decided", LOOKS)):
        plan = Plan(number, looks, spread_of(scores) or 0.0, SMALLEST)
        found = power(
            plan,
            [gain for size in sizes for gain in gains[size]],
            lambda shape: random.choice(residuals, shape),
        )
        hours = (
            sum(cells * seconds[size] for size, cells in zip(sizes, found.of_sizes, strict=True))
            / 3600
        )
        decided = (1 - found.undecided) * sum(number)
        yield (
            f"| {results.name} | {rule} | {sum(number)} | {decided:.1f} | {found.cells:.0f} | "
            f"{hours:.1f} | {hours / decided:.2f} |"
        )


def _residuals(block: Block) -> np.ndarray:
    """Return what arms and seeds leave of the scores of a size, at its full spread."""
    fitted = block.design @ block.inverse @ block.design.T @ block.scores
    freedom = block.freedom.sum()
    return (
        (block.scores - fitted) * np.sqrt(len(fitted) / freedom) if freedom > 0.5 else np.zeros(0)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", type=Path, help="folder of what nmt-ablation report has written")
    parts = sorted(parser.parse_args().parts.glob("*.jsonl"))
    experiments = {each.name: each for each in join([load(path) for path in parts])}
    every = list(experiments.values())
    before, anew = Study(every), StudyAnew(every)
    print(HEAD)
    print("\n".join(questions(before, anew)))
    print(STALE)
    print("\n".join(stale(experiments[REAL], anew)))
    print(REPLAY.format(trials=TRIALS))
    for name in (REAL, WEAK, MADE_UP, MADE_UP_STRONG):
        print("\n".join(replayed(experiments[name], anew)))


if __name__ == "__main__":
    main()
