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
from nmt_ablation.values import PositiveShare


class Mass(Objective):
    """Masked sequence-to-sequence pretraining (Song et al. 2019, "MASS"): a fragment of consecutive
    tokens is masked in the encoder. The decoder predicts the fragment, at the fragment's own
    positions; all that stands before it is masked there."""

    stacks = ("encoder", "decoder")

    share: PositiveShare = 0.5
    """The share of a sentence's tokens that the fragment has; at least one."""

    def examples(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        length = min(len(sentence), max(1, round(self.share * len(sentence))))
        start = int(chance.integers(len(sentence) - length + 1))
        fragment = slice(start, start + length)
        source, previous = sentence.copy(), shifted(sentence, vocabulary)[: fragment.stop]
        source[fragment] = vocabulary.mask
        previous[: start + (start > 0)] = vocabulary.mask
        target = np.full(fragment.stop, vocabulary.padding)
        target[fragment] = sentence[fragment]
        return [Example(ended(source, vocabulary), previous, target)]

    def cites(self) -> tuple[str, ...]:
        return ("song-2019",)
