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


class BidirectionalLM(Objective):
    """Language models in both directions (Peters et al. 2018, "ELMo"): the encoder predicts each
    token from those before it, and once more from those after it. ELMo has a network for each
    direction; here both directions share the encoder's weights, so that an encoder can start from
    them."""

    stacks = ("encoder",)
    views = ("earlier", "later")

    def examples(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        first, last = shifted(sentence, vocabulary), ended(sentence, vocabulary)
        return [
            Example(first, None, last, sees="earlier"),
            Example(last, None, first, sees="later"),
        ]

    def cites(self) -> tuple[str, ...]:
        return ("peters-2018",)
