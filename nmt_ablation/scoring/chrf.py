"""chrF."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.sacre import SacreMetric

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as Counter


class Chrf(SacreMetric):
    """chrF: the F-score of character n-grams."""

    cites: ClassVar[tuple[str, ...]] = ("popovic-2015", "post-2018")

    kind: Literal["chrf"] = "chrf"

    @property
    def measure(self) -> Measure:
        return Measure(label="chrF", smallest_gain=1.0)

    def counter(self, references: Sequence[Sequence[str]] | None = None) -> "Counter":
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(references=references)
