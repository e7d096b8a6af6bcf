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


class PrefixLM(Objective):
    """A prefix language model (the sequence-to-sequence objective of Dong et al. 2019, "UNILM"): a
    sentence is cut in two anywhere, the encoder reads the first part, and the decoder predicts the
    second. UNILM does so in one stack; here it is encoder and decoder with cross-attention."""

    stacks = ("encoder", "decoder")

    def examples(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        cut = int(chance.integers(1, max(2, len(sentence))))
        first, second = sentence[:cut], sentence[cut:]
        return [
            Example(
                ended(first, vocabulary), shifted(second, vocabulary), ended(second, vocabulary)
            )
        ]

    def cites(self) -> tuple[str, ...]:
        return ("dong-2019",)
