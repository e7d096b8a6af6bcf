from collections.abc import Sequence

import numpy as np

from nmt_ablation.objectives import Example, PairObjective, Tokens, Vocabulary, ended, shifted


class Translation(PairObjective):
    """Translation: the decoder predicts the target sentence. A network that learns it is a parent
    (Zoph et al. 2016), its encoder alone is CoVe's (McCann et al. 2017)."""

    stacks = ("encoder", "decoder")

    def pair_examples(
        self, source: Tokens, target: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        return [
            Example(
                ended(source, vocabulary), shifted(target, vocabulary), ended(target, vocabulary)
            )
        ]

    def cites(self) -> tuple[str, ...]:
        return ("zoph-2016", "mccann-2017")
