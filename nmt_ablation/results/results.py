"""Everything that a report says of one experiment, so that it can be drawn without the models."""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import TypeVar

from pydantic import ConfigDict, Field

from nmt_ablation.results.design import Definition, Design
from nmt_ablation.results.means import Correction, Resamples
from nmt_ablation.results.rows import (
    AnalysisRow,
    CellRow,
    ContrastRow,
    CorpusRow,
    EncoderRow,
    Example,
    FurtherRow,
    MeanRow,
    MonolingualRow,
    Row,
    TranslatorRow,
)
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.test_sets import on
from nmt_ablation.values import Name, Pair, Size

NAMED = 20
"""Unfinished cells that are named one by one."""
Measured = TypeVar("Measured", CellRow, MeanRow)


class Results(Row):
    """The results of an experiment, and their provenance."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: Name
    pair: Pair
    baseline: str
    definition: Definition
    """The whole experiment file, defaults included."""
    measures: dict[str, Measure]
    """The metrics by name."""
    primary: str
    """The metric of the verdict and the figure."""
    cells: list[CellRow] = Field(exclude=True)
    """The finished cells."""
    resamples: Resamples = Field(default={}, exclude=True)
    """Scores of the finished cells on resamples of the test set. A report can do without them, as
    the means contain the intervals."""
    translations: dict[str, list[str]] = Field(default={}, exclude=True)
    """All lines of the test sets: columns test_set, source, reference, and each finished cell's
    translations; empty where they are left out, or in reports of earlier versions."""
    unfinished: list[str]
    """Names of the other cells."""
    means: list[MeanRow]
    """Means over seeds, for each size and arm."""
    contrasts: list[ContrastRow]
    """Gains of one arm over another, for each size and contrast."""
    corpora: list[CorpusRow]
    monolingual: list[MonolingualRow]
    further: list[FurtherRow] = Field(default=[], exclude_if=lambda value: not value)
    """Sentence pairs beside the pool that networks learned from."""
    encoders: list[EncoderRow] = Field(default=[], exclude_if=lambda value: not value)
    """The retrieval of translations by published encoders."""
    translators: list[TranslatorRow] = Field(default=[], exclude_if=lambda value: not value)
    """Published translators that are scored as they are."""
    analyses: dict[str, AnalysisRow] = Field(default={}, exclude_if=lambda value: not value)
    """The analyses that were made of cells' models."""
    warnings: list[str] = Field(default=[])
    """Warnings about text, vectors and trainings."""
    examples: list[Example]
    cited: list[str]
    """Licences and references."""
    versions: dict[str, str]
    """Versions of the packages that made the report."""
    command: str
    """The command that made the report."""

    @cached_property
    def design(self) -> Design:
        """The comparisons that the experiment asks for."""
        return Design.model_validate(self.definition)

    @property
    def measure(self) -> Measure:
        """The primary metric."""
        return self.measures[self.primary]

    @property
    def pooled(self) -> dict[str, Measure]:
        """The outcomes that are not of one test set among several."""
        return {name: it for name, it in self.measures.items() if it.test_set is None}

    @property
    def of_test_sets(self) -> dict[str, str]:
        """The outcome of the primary metric on each of several test sets."""
        names = ((it.test_set, name) for name, it in self.measures.items() if it.test_set)
        return {test_set: name for test_set, name in names if name == on(self.primary, test_set)}

    @property
    def correction(self) -> Correction:
        """The correction of comparisons with the baseline: Holm's in reports of earlier
        versions."""
        gains = [gain for row in self.means for gain in row.gains.values()]
        earlier = any(gain.simultaneous is None for gain in gains)
        return "Holm" if earlier else "Dunnett"

    @property
    def smallest_gain(self) -> float | None:
        """The smallest gain of interest by the primary metric, if there is one."""
        return self.smallest_gains.get(self.primary)

    @property
    def smallest_gains(self) -> dict[str, float]:
        """The smallest gains of interest by metric."""
        return self.design.smallest_gains(self.primary, self.measure)

    @property
    def missing(self) -> str:
        """The unfinished cells as text: all names, or the first and the last of many."""
        if len(self.unfinished) <= NAMED:
            return ", ".join(self.unfinished)
        whole = len(self.unfinished) + len(self.cells)
        first, last = self.unfinished[0], self.unfinished[-1]
        return f"{len(self.unfinished)} of {whole} cells, from {first} to {last}"

    @property
    def arms(self) -> list[str]:
        """The arms that have a finished cell."""
        return list(dict.fromkeys(row.arm for row in self.cells))

    @property
    def listed(self) -> list[MeanRow]:
        """The gains to list rather than draw as curves: all gains at sizes that are some arm's
        only size. There are none if all arms have one size."""
        asked = {arm: self.design.sizes_of(arm) for arm in self.arms}
        if len(set().union(*asked.values())) < 2:
            return []
        compared = [row for row in self.means if row.gains]
        sizes = {row.size for row in compared if len(asked[row.arm]) == 1}
        return [row for row in compared if row.size in sizes]

    @property
    def curves(self) -> list[str]:
        """The arms that are drawn as curves, and not only listed."""
        lone = {row.arm for row in self.listed if len(self.design.sizes_of(row.arm)) == 1}
        return [arm for arm in self.arms if arm not in lone]

    def runs(self, arm: str, rows: Sequence[MeanRow]) -> list[list[MeanRow]]:
        """Return an arm's means in runs, which end at sizes that only other arms have: a line
        across such a size would suggest a measurement."""
        own = {row.size: row for row in rows if row.arm == arm}
        sizes = groupby(dict.fromkeys(row.size for row in rows), own.__contains__)
        return [[own[size] for size in run] for measured, run in sizes if measured]

    def compared(self, mean: MeanRow) -> list[CellRow]:
        """Return the cells whose gains a mean averages."""
        return [row for row in at(self.cells, mean.size, mean.arm) if row.gains]


def arms_of(experiments: Sequence[Results]) -> list[str]:
    """Return the arms of all experiments that have a finished cell, in a common order."""
    return list(dict.fromkeys(arm for results in experiments for arm in results.arms))


def at(rows: Sequence[Measured], size: Size, arm: str) -> list[Measured]:
    """Return the rows of a size and arm."""
    return [row for row in rows if (row.size, row.arm) == (size, arm)]
