from typing import Literal

from nmt_ablation.pretrained.trained import Trained


class FastText(Trained):
    """fastText (Bojanowski et al. 2017): a token's vector is a sum over its character n-grams."""

    model = "FastText"

    kind: Literal["fasttext"]

    def cites(self) -> tuple[str, ...]:
        return ("bojanowski-2017", "rehurek-2010")
