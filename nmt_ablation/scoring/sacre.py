"""Metrics that sacreBLEU computes."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.scoring.metric import Metric

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics.base import Metric as Counter


class SacreMetric(Metric):
    """A metric with sacreBLEU's signature and statistics of sentences."""

    package: ClassVar[str | None] = "sacrebleu"

    @abstractmethod
    def counter(self, references: Sequence[Sequence[str]] | None = None) -> "Counter":
        """Return sacreBLEU's object, with references where it is to count."""

    @property
    def signature(self) -> str:
        counter = self.counter([[""]])
        return str(counter.get_signature().format())

    def statistics(
        self, hypotheses: Sequence[str], references: Sequence[str], sources: Sequence[str]
    ) -> "np.ndarray":
        import numpy as np

        counter = self.counter([references])
        return np.array(counter._extract_corpus_statistics(hypotheses, None), dtype=float)

    def value(self, sums: "np.ndarray") -> float:
        # With one reference all of sacreBLEU's sums are whole numbers.
        return float(_counter(self)._compute_score_from_stats(sums.astype(int).tolist()).score)


@cache
def _counter(metric: SacreMetric) -> "Counter":
    """Return one object for all of a metric's resamples, as some tokenizers take long to load."""
    return metric.counter()
