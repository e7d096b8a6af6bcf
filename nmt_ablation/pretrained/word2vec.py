from typing import Literal

from nmt_ablation.pretrained.trained import Trained


class Word2Vec(Trained):
    """word2vec (Mikolov et al. 2013)."""

    model = "Word2Vec"
    light = True

    kind: Literal["word2vec"]

    def cites(self) -> tuple[str, ...]:
        return ("mikolov-2013", "rehurek-2010")
