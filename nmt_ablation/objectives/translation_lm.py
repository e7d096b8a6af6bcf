from collections.abc import Sequence

import numpy as np

from nmt_ablation.objectives import Example, PairObjective, Tokens, Vocabulary
from nmt_ablation.objectives.masked_lm import MaskedLM
from nmt_ablation.values import PositiveShare


class TranslationLM(PairObjective):
    """A translation language model (Conneau and Lample 2019, "XLM"): the encoder reads a sentence
    and its translation, one behind the other, and predicts tokens of both that are chosen as those
    of a masked language model. Positions run on through the translation, and no embedding says the
    language."""

    stacks = ("encoder",)

    share: PositiveShare = 0.15
    """The share of tokens that are chosen; at least one token of each sentence is."""

    def pair_examples(
        self, source: Tokens, target: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        masked = MaskedLM(share=self.share)
        sides = [masked.examples(side, chance, vocabulary)[0] for side in (source, target)]
        read = [side.source for side in sides if side.source is not None]
        return [Example(np.concatenate(read), None, np.concatenate([it.target for it in sides]))]

    def cites(self) -> tuple[str, ...]:
        return ("conneau-2019",)
