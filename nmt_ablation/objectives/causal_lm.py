from collections.abc import Sequence

import numpy as np

from nmt_ablation.objectives import (
    Example,
    Objective,
    Tokens,
    Vocabulary,
    ended,
    shifted,
)


class CausalLM(Objective):
    """A language model from left to right (Radford et al. 2018, "GPT"): the decoder, without
    cross-attention, predicts each token from those before it."""

    stacks = ("decoder",)
    views = ("earlier",)

    def examples(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        return [Example(None, shifted(sentence, vocabulary), ended(sentence, vocabulary))]

    def cites(self) -> tuple[str, ...]:
        return ("radford-2018",)
