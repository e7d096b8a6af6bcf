from collections.abc import Sequence

import numpy as np

from nmt_ablation.objectives import Example, Objective, Tokens, Vocabulary, ended
from nmt_ablation.values import PositiveShare

MASKED, REPLACED = 0.8, 0.1
"""Shares of the chosen tokens that are masked and replaced by any token; the rest stays."""


class MaskedLM(Objective):
    """A masked language model (Devlin et al. 2019, "BERT"): the encoder predicts tokens that are
    chosen at random. Of the chosen ones, 80% are masked, 10% replaced and 10% left as they are."""

    stacks = ("encoder",)

    share: PositiveShare = 0.15
    """The share of tokens that are chosen; at least one token of each sentence is."""

    def examples(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        chosen = chance.random(len(sentence)) < self.share
        how = chance.random(len(sentence))
        others = chance.integers(vocabulary.first, vocabulary.size, len(sentence))
        if len(sentence) and not chosen.any():
            chosen[chance.integers(len(sentence))] = True
        source = np.where(chosen & (how < MASKED), vocabulary.mask, sentence)
        replaced = chosen & (how >= MASKED) & (how < MASKED + REPLACED)
        source = np.where(replaced, others, source)
        target = np.where(chosen, sentence, vocabulary.padding)
        return [Example(ended(source, vocabulary), None, np.append(target, vocabulary.padding))]

    def cites(self) -> tuple[str, ...]:
        return ("devlin-2019",)
