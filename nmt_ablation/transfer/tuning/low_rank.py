from nmt_ablation.model.parts import Place
from nmt_ablation.transfer.tuning import Tuning
from nmt_ablation.values import Positive


class LowRank(Tuning):
    """Updates of low rank (Hu et al. 2022, "LoRA"): to each matrix of the part a product of two
    thin matrices is added, and only these learn, without a further factor. Biases and layer norms
    stay frozen. Checkpoints have the sum."""

    example = "low-rank: 8"
    value: Positive

    @property
    def rank(self) -> int:
        return self.value

    def multiplier(self, place: Place, update: int) -> float:
        return 1.0
