"""Auxiliary objectives, which a model learns beside translation, on batches of their own."""

from typing import Annotated, Literal

from pydantic import Field

from nmt_ablation.objectives import OBJECTIVES, Named, Objective, Stack
from nmt_ablation.values import SIDES, Block, Positive, Side

OF_STACK: dict[Stack, Side] = {"encoder": "source", "decoder": "target"}
"""The side whose dictionary each stack has."""


class Auxiliary(Block):
    """An objective beside translation. In an update the model sees one batch of it too."""

    objective: Named | None = None
    """The objective: its name, or `{NAME: {settings of its noise}}`. [default: the one that the
    block's name names]"""
    weight: Annotated[float, Field(gt=0)]
    """The weight of the objective's mean loss for each token that it predicts; translation's is
    1."""
    half_life: Positive | None = None
    """The number of updates in which the weight halves; it is constant if this is None."""
    every: Positive = 1
    """The number of updates in which it is learned once. Several objectives of an arm take
    turns."""
    text: str = "monolingual"
    """The text: all monolingual text, the cell's own sample, or sentence pairs under
    `corpora.further`. The sample is a control without knowledge from outside."""
    languages: Literal["both", "source", "target"] | None = None
    """The sides whose text it reads. [default: source for an encoder's objective, target for a
    decoder's, both for one of the whole model or of pairs]"""
    lines: Positive | None = None
    """The number of lines of each language that are used, from the start of the text; all if it is
    None."""
    batch_tokens: Positive = 1024
    """The most tokens of a batch of the objective."""

    def weight_at(self, update: int) -> float:
        """Return the weight after a number of updates."""
        return self.weight * 0.5 ** (update / self.half_life) if self.half_life else self.weight

    def named(self, name: str) -> tuple[str, Objective]:
        """Return the objective and its name.

        Args:
            name: the block's name.
        """
        if self.objective is not None:
            ((name, objective),) = self.objective.items()
            return name, objective
        return name, OBJECTIVES[name].model_validate({})

    def sides(self, objective: Objective) -> tuple[Side, ...]:
        """Return the sides whose text it reads."""
        of_both = objective.pairs or len(objective.stacks) > 1
        if self.languages == "both" or (self.languages is None and of_both):
            return SIDES
        return (self.languages or OF_STACK[objective.stacks[0]],)


def needs_one_dictionary(objective: Objective, sides: tuple[Side, ...]) -> bool:
    """Return True if some stack of an objective would read text of the other stack's side."""
    stacks = objective.stacks
    return not (len(stacks) == 1 and {OF_STACK[stacks[0]]} == set(sides))
