from typing import Literal

from nmt_ablation.model.parts import Place
from nmt_ablation.transfer.tuning import Tuning


class Frozen(Tuning):
    """Weights that are never updated."""

    example = "frozen: true"
    value: Literal[True]

    def multiplier(self, place: Place, update: int) -> float:
        return 0.0
