"""The decoding of the test set, the same for all arms."""

from typing import Annotated, Literal

from pydantic import Field

from nmt_ablation.values import Block, Positive


class Decoding(Block):
    beam: Positive = 5
    length_penalty: Annotated[float, Field(strict=True)] = 1.0
    precision: Literal["float32", "int8"] = "float32"
    """The precision of the test set's translation; validation is in float32."""
