from nmt_ablation.model.parts import Place
from nmt_ablation.transfer.tuning import Tuning
from nmt_ablation.values import Positive


class Unfreeze(Tuning):
    """Weights that are frozen for a number of updates, and then learn."""

    example = "unfreeze: 1000"
    value: Positive

    def multiplier(self, place: Place, update: int) -> float:
        return float(update >= self.value)
