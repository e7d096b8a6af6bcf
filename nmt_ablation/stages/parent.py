"""The stage that fits a parent's weights to a model with another dictionary."""

from dataclasses import dataclass
from typing import ClassVar

from nmt_ablation.pretrained.kind import NETWORK
from nmt_ablation.stage import Build, File
from nmt_ablation.stages.pretrained import Weights
from nmt_ablation.stages.tokens import Segmentation
from nmt_ablation.stages.training import Choose, Train
from nmt_ablation.values import SIDES, Side


@dataclass(frozen=True)
class ParentRecord:
    rows: dict[Side, int]
    """The number of tokens of each side that have a row of the parent's."""
    tokens: dict[Side, int]
    """The number of tokens of each side."""


@dataclass(frozen=True, eq=False)
class Parent(Weights[ParentRecord]):
    """A parent's weights, with rows for the tokens of the model that starts from them."""

    name: ClassVar[str] = "parent"

    model: Train | Choose
    theirs: Segmentation
    """The parent's segmentation."""
    ours: Segmentation
    matching: bool
    """True if a token has the row of the same token, or else any."""
    seed: int
    """The seed of the latter; 0 for matching rows."""

    @property
    def weights(self) -> File:
        return File(self, NETWORK)

    def build(self, to: Build) -> ParentRecord:
        from nmt_ablation.transfer.adopt import adopt

        both = {
            one: {side: to.path(of.dictionary(side)) for side in SIDES}
            for one, of in (("theirs", self.theirs), ("ours", self.ours))
        }
        rows = adopt(
            to.path(self.model.checkpoint),
            both["theirs"],
            both["ours"],
            to.path(self.weights),
            self.matching,
            self.seed,
        )
        return ParentRecord(rows, {side: len(self.ours.tokens(side, to)) for side in SIDES})
