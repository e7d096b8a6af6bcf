"""TER."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.sacre import SacreMetric

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as Counter


class Ter(SacreMetric):
    """TER: the edits that turn a hypothesis into its reference, in percent of its words."""

    cites: ClassVar[tuple[str, ...]] = ("snover-2006", "post-2018")

    kind: Literal["ter"] = "ter"

    @property
    def measure(self) -> Measure:
        return Measure(label="TER", higher_is_better=False, highest=None, smallest_gain=1.0)

    def counter(self, references: Sequence[Sequence[str]] | None = None) -> "Counter":
        from sacrebleu.metrics.ter import TER

        return TER(references=references)
