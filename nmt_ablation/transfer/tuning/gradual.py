from nmt_ablation.model.parts import Place
from nmt_ablation.transfer.tuning import Tuning
from nmt_ablation.values import Positive


class Gradual(Tuning):
    """Gradual unfreezing (Howard and Ruder 2018, "ULMFiT", section 3.3).

    The top layer of a stack learns from the first update. After every `value` updates the next
    lower layer joins, and the embeddings last.
    """

    example = "gradual: 500"
    value: Positive

    def multiplier(self, place: Place, update: int) -> float:
        return float(update >= self.value * (place.top - place.depth))
