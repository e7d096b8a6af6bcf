"""BLEU."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from nmt_ablation.errors import UserError
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.sacre import SacreMetric

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as Counter

WITHOUT_SPACES = ("ja", "zh")
"""Languages without spaces between words, whose characters sacreBLEU's tokenizer zh parts."""
BleuTokenizer = Literal["13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab", "flores200"]

AGREEMENT = ((0.0, 0.5), (0.78, 0.6), (1.39, 0.7), (2.34, 0.8), (3.35, 0.85))
"""The differences between two systems and people's agreement of Kocmi et al. (2024)."""


class Bleu(SacreMetric):
    """BLEU."""

    cites: ClassVar[tuple[str, ...]] = ("post-2018", "kocmi-2024")

    kind: Literal["bleu"] = "bleu"
    tokenizer: BleuTokenizer = "13a"
    """sacreBLEU's tokenizer for the target language."""

    @property
    def measure(self) -> Measure:
        return Measure(label="BLEU", smallest_gain=1.0, agreement=AGREEMENT)

    def counter(self, references: Sequence[Sequence[str]] | None = None) -> "Counter":
        from sacrebleu.metrics.bleu import BLEU

        return BLEU(tokenize=self.tokenizer, references=references)

    def check(self) -> None:
        from sacrebleu.utils import SACREBLEU_DIR

        try:
            self.counter()
        except (RuntimeError, OSError) as error:
            cause = " ".join(str(error).split())
            remedy = ""
            if isinstance(error, OSError):
                remedy = (
                    f"; use it once on a machine with network (sacrebleu -tok {self.tokenizer}), "
                    f"and copy {SACREBLEU_DIR} here, or set SACREBLEU to its folder"
                )
            raise UserError(
                f"BLEU's tokenizer {self.tokenizer} can't be used: {cause}{remedy}"
            ) from None

    def warning(self, value: float) -> str | None:
        return "BLEU is below 1: the model has learnt next to nothing" if value < 1 else None
