"""Means over seeds, gains over the baseline and contrasts of two arms, with intervals and p."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np

from nmt_ablation.experiment import Cell
from nmt_ablation.results import dunnett
from nmt_ablation.results.looks import Looks, replay
from nmt_ablation.results.rows import (
    SIGNIFICANT,
    CellRow,
    ContrastRow,
    Gain,
    MeanRow,
    MeanScore,
)
from nmt_ablation.results.spread import Block, Spreads
from nmt_ablation.results.statistics import (
    Estimate,
    estimate,
    holm,
    holm_levels,
    spread_of_mean,
)
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.resample import Scores
from nmt_ablation.values import Size

Resamples = Mapping[Cell, Scores]
"""The scores of cells on the test set and on its resamples, the same for all cells."""
ONE = (1,)
"""One arm at one size, as comparisons are corrected for looks alone."""
Seeds = dict[str, dict[int, Scores]]
"""The scores of one size, by arm and seed."""
Correction = Literal["Dunnett", "Holm"]
Compared = TypeVar("Compared", MeanRow, ContrastRow)


class Comparisons:
    """The scores of an experiment by one metric, and the spread between seeds in all of them."""

    def __init__(self, scores: Mapping[Size, Seeds], metric: str, measure: Measure) -> None:
        self.scores, self.metric = scores, metric
        self.sign = 1 if measure.higher_is_better else -1
        self.arms = list(dict.fromkeys(arm for of_size in scores.values() for arm in of_size))
        self.seeds = sorted({seed for of in scores.values() for it in of.values() for seed in it})
        self.spreads = Spreads([Block(self._table(of_size)) for of_size in scores.values()])

    def mean(self, size: Size, arm: str, seeds: Sequence[int]) -> Estimate:
        """Estimate an arm's mean over some seeds."""
        of_size = self.scores[size]
        own = self._stacked(of_size[arm], seeds)
        alike = [of_arm for of_arm in of_size.values() if of_arm.keys() >= set(seeds)]
        table = np.array([self._stacked(of_arm, seeds)[:, 0] for of_arm in alike])
        return estimate(own.mean(axis=0), own, spread_of_mean(table))

    def gain(self, size: Size, arm: str, other: str) -> Estimate:
        """Estimate an arm's gain over another, by least squares over all cells of the size."""
        number, of_size = list(self.scores).index(size), self.scores[size]
        block = self.spreads.blocks[number]
        weights = block.weights(self.arms.index(arm), self.arms.index(other))
        drawn = [
            of_size[self.arms[row]][self.seeds[column]][self.metric]
            for row, column in zip(block.arms, block.seeds, strict=True)
        ]
        seeds = sorted(of_size[arm].keys() & of_size[other].keys())
        own, theirs = (self._stacked(of_size[it], seeds) for it in (arm, other))
        spread = self.spreads.of_gain(number, weights)
        return estimate(self.sign * (weights @ np.array(drawn)), own - theirs, spread)

    def _table(self, of_size: Seeds) -> np.ndarray:
        """Return the scores of one size: arms x seeds."""
        return np.array(
            [[self._score(of_size.get(arm, {}), seed) for seed in self.seeds] for arm in self.arms]
        )

    def _score(self, of_arm: Mapping[int, Scores], seed: int) -> float:
        return float(of_arm[seed][self.metric][0]) if seed in of_arm else np.nan

    def _stacked(self, of_arm: Mapping[int, Scores], seeds: Sequence[int]) -> np.ndarray:
        return np.array([of_arm[seed][self.metric] for seed in seeds])


@dataclass(frozen=True)
class Evidence:
    """The cells that comparisons rest on, and how they are judged."""

    rows: Sequence[CellRow]
    resamples: Resamples
    measures: Mapping[str, Measure]
    smallest: Mapping[str, float]
    """The smallest gain of interest, by metric."""
    looks: Looks | None = None
    """The looks, if seeds are added one by one."""

    @cached_property
    def counts(self) -> Sequence[int]:
        """The number of seeds at each look."""
        return self.looks.counts if self.looks else ()

    @cached_property
    def scores(self) -> dict[Size, Seeds]:
        """The scores of cells by size."""
        return _scores(self.rows, self.resamples)

    @cached_property
    def pairs(self) -> dict[Size, int]:
        """The number of pairs of each size: a mean over seeds if sizes are in tokens."""
        found: dict[Size, dict[int, int]] = {}
        for row in self.rows:
            found.setdefault(row.size, {})[row.seed] = row.pairs
        return {size: round(np.mean(list(each.values()))) for size, each in found.items()}

    @cached_property
    def by_metrics(self) -> dict[str, Comparisons]:
        """The scores by each metric."""
        return {name: Comparisons(self.scores, name, it) for name, it in self.measures.items()}

    def by_looks(self, compare: Callable[["Evidence"], list[Compared]]) -> list[Compared]:
        """Return the rows that a comparison makes of these cells, look by look if they are
        declared."""
        if self.looks:
            rows = replay(self.rows, self.looks, lambda some: compare(replace(self, rows=some)))
        else:
            rows = compare(self)
        return [row.model_copy(update={"pairs": self.pairs[row.size]}) for row in rows]


def summarise(evidence: Evidence, baseline: str, compared: Sequence[int]) -> list[MeanRow]:
    """Return a row for each size and arm, in the order of the cells.

    Scores are means over the seeds for which both arm and baseline are finished. Gains are paired.

    Args:
        compared: the number of arms that are compared with the baseline at each size, finished or
            not.
    """
    return evidence.by_looks(lambda some: _summarise(some, baseline, compared))


def _summarise(evidence: Evidence, baseline: str, compared: Sequence[int]) -> list[MeanRow]:
    paired: dict[tuple[Size, str], list[int]] = {}
    for row in evidence.rows:
        if row.gains:
            paired.setdefault((row.size, row.arm), []).append(row.seed)
    means, gains = list[MeanRow](), list[dict[str, Estimate]]()
    for (size, arm), seeds in paired.items():
        own = {
            name: _possible(it.mean(size, arm, seeds), evidence.measures[name])
            for name, it in evidence.by_metrics.items()
        }
        pairs = evidence.pairs[size]
        means.append(MeanRow(size=size, pairs=pairs, arm=arm, seeds=len(seeds), scores=own))
        compare = evidence.by_metrics if arm != baseline else {}
        gains.append({name: it.gain(size, arm, baseline) for name, it in compare.items()})
    seeds_of = _looks_of(means, evidence.counts)
    level = min(dunnett.level(SIGNIFICANT, compared, it) for it in seeds_of)
    found = _with_gains(means, gains, lambda p_values: [level] * len(p_values), evidence.smallest)
    return against_baseline(found, compared, looks=evidence.counts)


def contrast(
    evidence: Evidence, asked: Sequence[tuple[str, str]], comparisons: int
) -> list[ContrastRow]:
    """Return a row for each size and contrast of two arms that share a seed there.

    Gains are the first arm's.

    Args:
        comparisons: the number of contrasts at all sizes, finished or not.
    """
    return evidence.by_looks(lambda some: _contrast(some, asked, comparisons))


def _contrast(
    evidence: Evidence, asked: Sequence[tuple[str, str]], comparisons: int
) -> list[ContrastRow]:
    found, gains = list[ContrastRow](), list[dict[str, Estimate]]()
    for size, of_size in evidence.scores.items():
        for arm, other in asked:
            seeds = of_size.get(arm, {}).keys() & of_size.get(other, {}).keys()
            if seeds:
                pairs, number = evidence.pairs[size], len(seeds)
                found.append(
                    ContrastRow(size=size, pairs=pairs, arm=arm, other=other, seeds=number)
                )
                by_metrics = evidence.by_metrics.items()
                gains.append({name: it.gain(size, arm, other) for name, it in by_metrics})

    def levels(p_values: Sequence[float]) -> list[float]:
        found = holm_levels(_after_looks(p_values, evidence.counts), comparisons)
        if not evidence.counts:
            return found
        return [dunnett.level(it, ONE, evidence.counts) for it in found]

    with_gains = _with_gains(found, gains, levels, evidence.smallest)
    return of_contrasts(with_gains, comparisons, evidence.counts)


def unlike(
    rows: Sequence[CellRow], metric: str, measure: Measure
) -> tuple[float | None, float | None]:
    """Return p of the hypotheses that the scores of all arms, and of all sizes, vary alike from
    seed to seed; None where too few have several seeds."""
    alone = {row.cell: {metric: np.array([row.scores[metric].value])} for row in rows}
    return Comparisons(_scores(rows, alone), metric, measure).spreads.alike()


def against_baseline(
    rows: Sequence[MeanRow],
    compared: Sequence[int],
    correction: Correction = "Dunnett",
    looks: Sequence[int] = (),
) -> list[MeanRow]:
    """Return rows with p-values after correction.

    Args:
        compared: as of `summarise`.
        looks: the number of seeds at each look.
    """

    def corrected(p_values: Sequence[float]) -> list[float]:
        if correction == "Holm":
            return holm(p_values, sum(compared))
        seeds_of = _looks_of(rows, looks)
        return [max(dunnett.corrected(p, compared, it) for it in seeds_of) for p in p_values]

    return _with_corrected(rows, corrected)


def of_contrasts(
    rows: Sequence[ContrastRow], comparisons: int, looks: Sequence[int] = ()
) -> list[ContrastRow]:
    """Return rows with p-values after Holm's correction.

    Args:
        comparisons: as of `contrast`.
        looks: the number of seeds at each look.
    """

    def corrected(p_values: Sequence[float]) -> list[float]:
        return holm(_after_looks(p_values, looks), comparisons)

    return _with_corrected(rows, corrected)


def _after_looks(p_values: Sequence[float], looks: Sequence[int]) -> Sequence[float]:
    """Return p of single comparisons after correction for all looks."""
    return [dunnett.corrected(p, ONE, looks) for p in p_values] if looks else p_values


def _looks_of(rows: Sequence[MeanRow], looks: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the numbers of seeds to correct for: of all looks together, or else each number that
    some row has, as the strictest holds for all."""
    if looks:
        return [tuple(looks)]
    # One seed decides nothing, so that its number has no correction.
    return [(seeds,) for seeds in sorted({row.seeds for row in rows} - {1})] or [(2,)]


def _with_gains(
    rows: Sequence[Compared],
    gains: Sequence[Mapping[str, Estimate]],
    levels: Callable[[Sequence[float]], list[float]],
    smallest: Mapping[str, float],
) -> list[Compared]:
    """Return rows with gains, of which p-values are not corrected yet.

    Args:
        levels: the levels of intervals that hold for all comparisons at once, given their
            p-values.
        smallest: the smallest gain of interest, by metric.
    """
    of_metrics: dict[str, list[float]] = {}
    for each in gains:
        for name, found in each.items():
            of_metrics.setdefault(name, []).append(found.p)
    left = {name: iter(levels(p_values)) for name, p_values in of_metrics.items()}

    def of_row(each: Mapping[str, Estimate]) -> dict[str, Gain]:
        return {
            name: gain_of(it, next(left[name]), smallest.get(name)) for name, it in each.items()
        }

    return [
        row.model_copy(update={"gains": of_row(each)})
        for row, each in zip(rows, gains, strict=True)
    ]


def gain_of(found: Estimate, level: float, smallest: float | None) -> Gain:
    """Return a gain whose p is not corrected yet.

    Args:
        level: the level of its interval that holds for all comparisons at once.
        smallest: the smallest gain of interest; None if there is none.
    """
    low, high = found.interval()
    return Gain(
        mean=found.mean,
        low=low,
        high=high,
        p_alone=found.p,
        p=found.p,
        simultaneous=found.interval(level),
        equivalent=smallest is not None and found.p_within(smallest) < level,
    )


def _with_corrected(
    rows: Sequence[Compared], correct: Callable[[Sequence[float]], list[float]]
) -> list[Compared]:
    """Return rows with corrected p-values. With one seed there is none: it could be luck."""
    p_values: dict[str, list[float]] = {}
    for row in rows:
        for name, gain in row.gains.items():
            p_values.setdefault(name, []).append(gain.p_alone)
    after = {name: iter(correct(each)) for name, each in p_values.items()}

    def corrected(row: Compared) -> dict[str, Gain]:
        found = {name: (gain, next(after[name])) for name, gain in row.gains.items()}
        return {
            name: gain.model_copy(update={"p": p if row.seeds > 1 else None})
            for name, (gain, p) in found.items()
        }

    return [row.model_copy(update={"gains": corrected(row)}) for row in rows]


def _scores(rows: Sequence[CellRow], resamples: Resamples) -> dict[Size, Seeds]:
    """Return the scores of cells by size."""
    scores: dict[Size, Seeds] = {}
    for row in rows:
        scores.setdefault(row.size, {}).setdefault(row.arm, {})[row.seed] = resamples[row.cell]
    return scores


def _possible(found: Estimate, measure: Measure) -> MeanScore:
    """Clip a score's interval to the range of scores, which a wide interval can exceed."""
    low, high = map(measure.clipped, found.interval())
    return MeanScore(mean=found.mean, low=low, high=high)
