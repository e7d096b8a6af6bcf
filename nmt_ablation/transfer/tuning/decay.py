from typing import Annotated

from pydantic import Field

from nmt_ablation.model.parts import Place
from nmt_ablation.transfer.tuning import Tuning


class Decay(Tuning):
    """A learning rate that falls by a factor with each layer down from the top (Howard and Ruder
    2018, "ULMFiT", section 3.2, whose factor is 1 / 2.6)."""

    example = "decay: 0.4"
    value: Annotated[float, Field(strict=True, gt=0, le=1)]

    def multiplier(self, place: Place, update: int) -> float:
        return float(self.value ** (place.top - place.depth))
