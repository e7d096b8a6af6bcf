from typing import Literal

from nmt_ablation.model.parts import PARTS, Part
from nmt_ablation.pretrained.kind import Pretrained, Setting
from nmt_ablation.values import SIDES, Side


class Parent(Pretrained):
    """A parent: the NMT model of another experiment's cell (Zoph et al. 2016), of the same
    architecture and with a dictionary of its own."""

    kind: Literal["parent"]
    experiment: str
    """The experiment file; a relative path starts where this one's file stands. Its pool loses all
    pairs that share a side with this experiment's corpora or held-out sets."""
    cell: str
    """The cell, by its name in `status`."""
    rows: Literal["matching", "random"] = "matching"
    """The rows for this experiment's tokens: those of the same token in the parent's dictionary, or
    any at random (Aji et al. 2020). Tokens that get none start at random, as in every arm."""

    @property
    def shared(self) -> bool:
        return True  # if its embeddings are tied, which is checked where its file is read

    def parts(self, setting: Setting) -> tuple[Part, ...]:
        return PARTS

    def sides(self, setting: Setting) -> tuple[Side, ...]:
        return SIDES

    def cites(self) -> tuple[str, ...]:
        return ("zoph-2016", "aji-2020", "kocmi-2018")
