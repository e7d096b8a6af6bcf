"""The rules that an arm has to keep with the rest of an experiment."""

from typing import TYPE_CHECKING

from nmt_ablation.experiment.arms import Arm
from nmt_ablation.model.config import Tying
from nmt_ablation.model.parts import EMBEDDINGS, PARTS, WITH_ROWS, Part
from nmt_ablation.pretrained.network import problems_of_text
from nmt_ablation.values import fail

if TYPE_CHECKING:
    from nmt_ablation.experiment.experiment import Experiment

TIED: dict[Tying, tuple[Part, ...]] = {
    "none": (),
    "decoder": (EMBEDDINGS["target"], "output-layer"),
    "all": (*EMBEDDINGS.values(), "output-layer"),
}
"""The parts that each `tying` makes one matrix."""


def check_arm(experiment: "Experiment", name: str, arm: Arm) -> None:
    """Refuse an arm that breaks a rule.

    Raises:
        PydanticCustomError: it does; the message says where and what to do.
    """
    for part_name, thing in arm.start.items():
        if thing not in experiment.pretrained:
            allowed = ", ".join(experiment.pretrained) or "none: there is no key pretrained"
            fail(
                ("arms", name, "start", part_name),
                f"nothing pretrained is called '{thing}'; allowed: {allowed}",
            )
    for part, thing in arm.starts.items():
        if experiment.pretrained[thing].scored:
            fail(
                ("arms", name, "start"),
                f"'{thing}' is of the kind translator, which is scored as it is; to start from its "
                "weights, name it once more, of the kind published",
            )
        if part not in (can := experiment.pretrained[thing].parts(experiment.setting)):
            allowed = ", ".join(it for it in PARTS if it in can)
            fail(
                ("arms", name, "start"),
                f"{part} can't start from '{thing}', which is of the kind "
                f"{experiment.pretrained[thing].kind}; parts that can: {allowed}",
            )
    _controlled(experiment, name, arm)
    of_rank = (part for part, ways in arm.tunings.items() if any(way.rank for _, way in ways))
    for part in WITH_ROWS.intersection(of_rank):
        fail(
            ("arms", name, "tuning"),
            f"low-rank is for the matrices of layers, and {part} has no layers; write it under "
            "encoder-layers, decoder-layers, cross-attention or layers",
        )
    of_vectors = {"scale", "dimension"} & arm.model_fields_set
    if of_vectors and not set(arm.starts.values()) & set(experiment.names_of_vectors):
        names = ", ".join(sorted(of_vectors))
        fail(
            ("arms", name, min(of_vectors)),
            f"{names}: is for arms that start from vectors, and this one doesn't; leave it out",
        )
    for at, size in enumerate(arm.sizes or ()):
        if size not in experiment.sizes:
            fail(("arms", name, "sizes", at), f"{size} is none of the experiment's sizes")
    frozen = [part for part, ways in arm.tunings.items() if "frozen" in dict(ways)]
    if set(frozen) == set(PARTS):
        fail(("arms", name, "tuning"), "all parts are frozen, so nothing would learn")
    _tied(experiment, name, arm)
    _beside(experiment, name, arm)
    _fed(experiment, name, arm)


def _controlled(experiment: "Experiment", name: str, arm: Arm) -> None:
    """Refuse a control that would shuffle nothing."""
    if arm.control == "shuffled" and not set(arm.starts) & WITH_ROWS:
        fail(
            ("arms", name, "control"),
            "shuffled gives each token the embedding of another, and no embeddings of this arm "
            "start from anything",
        )
    if arm.control == "shuffled-weights" and not experiment.network_starts(arm):
        fail(
            ("arms", name, "control"),
            "shuffled-weights shuffles a network's numbers, and this arm starts from none",
        )


def _tied(experiment: "Experiment", name: str, arm: Arm) -> None:
    """Refuse starts, tunings and dimensions that shared embeddings can't have."""
    tying = experiment.tying(arm)
    shared = TIED[tying]
    of_shared = [dict(arm.tunings.get(part, ())) for part in shared]
    for ways, part in zip(of_shared, shared, strict=True):
        if ways != of_shared[-1]:
            fail(
                ("arms", name),
                f"{part} and output-layer are one matrix (tying: {tying}), and can't be tuned "
                "differently; give both the same tuning, or set the arm's tying to none",
            )
    if shared and arm.dimension == "projection":
        fail(("arms", name), "embeddings with a projection can't be tied; set tying to none")
    things = {arm.starts.get(part) for part in shared if part != "output-layer"}
    if shared and (output := arm.starts.get("output-layer")) and things != {output}:
        fail(
            ("arms", name),
            f"{shared[0]} and output-layer are one matrix (tying: {tying}), and must start from "
            "the same thing; name it for both, or set the arm's tying to none",
        )
    if tying != "all":
        return
    if not experiment.segmentation.joint:
        fail(("arms", name), "tying: all needs one dictionary; set segmentation.joint")
    if len(things) > 1:
        fail(
            ("arms", name),
            "tying: all gives both sides one embedding matrix, so both must start from one thing; "
            "write start: {embeddings: NAME}, or set the arm's tying to decoder",
        )
    for thing in things - {None}:
        if thing is not None and not experiment.pretrained[thing].shared:
            fail(
                ("arms", name),
                f"tying: all leaves one embedding matrix, and '{thing}' has two sets of "
                "vectors, one for each side; train them with joint: true, or name one file "
                "for both",
            )


def _beside(experiment: "Experiment", name: str, arm: Arm) -> None:
    """Refuse what is learned beside translation of the sample without text for it."""
    if arm.back_translation and "target" not in experiment.corpora.text_sides():
        fail(
            ("arms", name, "back_translation"),
            f"needs text in {experiment.target} to translate back: name corpora under "
            "corpora.monolingual",
        )
    for own, auxiliary in arm.auxiliary.items():
        where = "arms", name, "auxiliary", own
        objective = auxiliary.named(own)[1]
        sides = auxiliary.sides(objective)
        for keys, why in problems_of_text(objective, auxiliary.text, sides, experiment.setting):
            fail((*where, *keys), why)
        if experiment.training.processes > 1:
            fail(where, "is learned by one process only; set training.processes to 1")


def _fed(experiment: "Experiment", name: str, arm: Arm) -> None:
    """Refuse features that a network doesn't have, or that would show later tokens."""
    for side, features in arm.features.items():
        where = "arms", name, "features", side
        things = experiment.pretrained
        thing = things.get(features.of)
        reads = thing and thing.reads
        if thing is None or reads is None:
            why = (
                f"'{features.of}' is of the kind {thing.kind}, which has no states for these tokens"
                if thing
                else f"nothing pretrained is called '{features.of}'"
            )
            allowed = ", ".join(it for it in things if things[it].reads) or "none"
            fail(where, f"{why}; name a network or a published model: {allowed}")
        stack, views = reads
        if side == "source" and stack != "encoder":
            fail(where, f"'{features.of}' has no encoder that learned; name a network that has")
        if side == "target" and "earlier" not in views:
            fail(
                where,
                f"'{features.of}' reads a sentence in both directions at once, and would see "
                "the tokens to predict; name a network whose objective is causal-lm or "
                "bidirectional-lm",
            )
        if side == "target" and features.enters == "fused":
            fail(where, "fused is for the source only; set enters to beside or instead")
        if side not in thing.sides(experiment.setting):
            fail(where, f"'{features.of}' has learned no text in {experiment.language(side)}")
        if arm.dimension == "projection" or any(
            way.rank for ways in arm.tunings.values() for _, way in ways
        ):
            fail(
                where,
                "can't be combined with dimension: projection or low-rank tuning; leave one out",
            )
        if experiment.training.processes > 1:
            fail(where, "are learned by one process only; set training.processes to 1")
