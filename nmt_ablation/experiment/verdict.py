"""The rule of a verdict, declared before the first cell is scored."""

from typing import Annotated

from pydantic import Field

from nmt_ablation.values import Block


class VerdictRule(Block):
    """The rule by which arms are called better, worse or equivalent."""

    smallest_gain: Annotated[float, Field(strict=True, gt=0)] | None = None
    """The smallest gain of interest, in points of the primary metric: arms that differ by less, for
    all that is known, are equivalent. [default: 1 for sacreBLEU's metrics; none for others]"""
