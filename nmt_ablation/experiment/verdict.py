"""The rule of a verdict, declared before the first cell is scored."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nmt_ablation.values import Block, Name, Sizes


class Prediction(Block):
    """A verdict that is expected of an arm, declared before the first cell is scored."""

    arm: Name
    """The arm that something is expected of."""
    expected: Literal["better", "worse", "equivalent"]
    """The expected verdict."""
    than: Name | None = None
    """The arm that it is compared with. [default: the baseline]"""
    sizes: Sizes | None = None
    """The sizes for which it is said. [default: all that both arms have]"""


class VerdictRule(Block):
    """The rule by which arms are called better, worse or equivalent."""

    smallest_gain: Annotated[float, Field(strict=True, gt=0)] | None = None
    """The smallest gain of interest, in points of the primary metric: arms that differ by less, for
    all that is known, are equivalent. [default: 1 for sacreBLEU's metrics; none for others]"""
    looks: list[Annotated[int, Field(strict=True, ge=2)]] = Field(
        default=[], exclude_if=lambda looks: not looks
    )
    """The numbers of seeds at which decisions are made, where seeds are added one by one."""

    @model_validator(mode="after")
    def _ascending(self) -> "VerdictRule":
        if any(one >= other for one, other in pairwise(self.looks)):
            raise ValueError("looks are numbers of seeds in ascending order: [3, 4, 6, 8]")
        return self
