"""The decoding of the test set, the same for all arms."""

from typing import Annotated, Literal

from pydantic import Field

from nmt_ablation.values import Block, Positive


class Decoding(Block):
    """The search for translations of the test set, the same for all arms."""

    beam: Positive = 5
    """The number of hypotheses that the search keeps at each step."""
    length_penalty: Annotated[float, Field(strict=True)] = 1.0
    """The power of its length by which the log-probability of a hypothesis is divided."""
    precision: Literal["float32", "int8"] = "float32"
    """The precision of the test set's translation; validation is in float32."""
