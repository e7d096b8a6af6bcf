from nmt_ablation.model.parts import Place
from nmt_ablation.transfer.tuning import Tuning
from nmt_ablation.values import Rate as PositiveNumber


class Rate(Tuning):
    """A learning rate of its own, as a multiple of the rest's."""

    example = "rate: 0.1"
    value: PositiveNumber

    def multiplier(self, place: Place, update: int) -> float:
        return self.value
