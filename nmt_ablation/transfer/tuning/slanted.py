from nmt_ablation.model.parts import Place
from nmt_ablation.transfer.tuning import Tuning
from nmt_ablation.values import Positive

RISING, RATIO = 0.1, 32
"""The share of updates in which the learning rate rises, and how many times its lowest value its
highest is (Howard and Ruder 2018, section 3.2)."""


class Slanted(Tuning):
    """A slanted triangular learning rate (Howard and Ruder 2018, "ULMFiT", section 3.2).

    In the first tenth of `value` updates the learning rate rises to its highest value, the rest's;
    then it falls, more slowly, to a 32nd of it, where it stays. The triangle multiplies the rest's
    own schedule, so it is one by itself only without a warm-up.
    """

    example = "slanted: 1000"
    value: Positive

    def multiplier(self, place: Place, update: int) -> float:
        rises = max(1.0, RISING * self.value)
        up, down = update / rises, (self.value - update) / max(1.0, self.value - rises)
        return (1 + max(0.0, min(up, down, 1.0)) * (RATIO - 1)) / RATIO
