"""The interface of a metric, and the facts about it that a report needs."""

from abc import abstractmethod
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from nmt_ablation.values import Block

if TYPE_CHECKING:
    import numpy as np


class Measure(BaseModel):
    """A metric as a report shows it; the report keeps it, so that drawing needs no metric."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    label: str
    """The display name."""
    higher_is_better: bool = True
    """The direction; a gain is positive where the arm is better, whatever the direction."""
    lowest: float | None = 0.0
    """The least possible score."""
    highest: float | None = 100.0
    """The greatest possible score."""
    decimals: int = 1
    """The digits after the point that are shown."""
    smallest_gain: float | None = None
    """The smallest gain of interest, unless an experiment says another; None if it has to say."""
    test_set: str | None = None
    """The test set, where it is the metric on one of several."""
    agreement: tuple[tuple[float, float], ...] = ()
    """Points of a line from differences between two systems to the share of cases in which people
    prefer the better one; empty where nobody has measured that."""

    @property
    def delta(self) -> str:
        """The sign of a gain in a table's header."""
        return f"{'' if self.higher_is_better else '−'}Δ {self.label}"

    @property
    def is_percentage(self) -> bool:
        """True if scores rise up to 100, as the learning curves of the literature do."""
        return self.higher_is_better and (self.lowest, self.highest) == (0, 100)

    def people_agree(self, difference: float) -> float | None:
        """Return how often people prefer the better of two systems that differ so much; the last
        known share stands for all larger differences."""
        if not self.agreement:
            return None
        size, before = abs(difference), self.agreement[0]
        for after in self.agreement:
            if size < after[0]:
                share = (size - before[0]) / (after[0] - before[0])
                return before[1] + share * (after[1] - before[1])
            before = after
        return before[1]

    @property
    def most_agreement(self) -> float:
        """The largest known share of `people_agree`."""
        return self.agreement[-1][1] if self.agreement else 1.0

    def clipped(self, value: float) -> float:
        """Return the possible score that is nearest to a value."""
        value = value if self.lowest is None else max(value, self.lowest)
        return value if self.highest is None else min(value, self.highest)

    def gain(self, baseline: float, arm: float) -> float:
        """Return the difference of two scores, positive where the arm's is better."""
        return arm - baseline if self.higher_is_better else baseline - arm


class Metric(Block):
    """A metric: its block of the experiment file, and how sentences come to a score.

    To add one, write its class in a file of its own beside this one, and its line in `metrics.py`.
    A corpus score must follow from sums of statistics of sentences, as intervals and tests take
    these sums over other sentences.
    """

    cites: ClassVar[tuple[str, ...]] = ()
    """The keys of corpora/references.bib."""
    package: ClassVar[str | None] = None
    """The distribution that computes it."""

    kind: str
    """The name in the registry."""

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """The facts about this metric for a report."""

    @property
    @abstractmethod
    def signature(self) -> str:
        """The settings on which a score depends; scores of one signature are comparable."""

    @abstractmethod
    def statistics(
        self, hypotheses: Sequence[str], references: Sequence[str], sources: Sequence[str]
    ) -> "np.ndarray":
        """Return the statistics of each sentence: sentences x statistics."""

    @abstractmethod
    def value(self, sums: "np.ndarray") -> float:
        """Return the corpus score of statistics that are summed over sentences."""

    def check(self) -> None:
        """Check that the metric can be used on this machine.

        Raises:
            UserError: something is missing; the message names the remedy.
        """

    def warning(self, value: float) -> str | None:
        """Return what a score says about a model that is broken, if it is."""
        return None

    def version(self) -> str | None:
        """Return the version of the package behind the metric."""
        try:
            return None if self.package is None else version(self.package)
        except PackageNotFoundError:
            return None
