"""Arms: the start and the tuning of the model's parts, and ready-made arms by name."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from nmt_ablation.model.config import Tying
from nmt_ablation.model.parts import SUMS, Entry, Part, PartName
from nmt_ablation.objectives import OBJECTIVES
from nmt_ablation.objectives.auxiliary import Auxiliary
from nmt_ablation.transfer.control import Control
from nmt_ablation.transfer.tuning import Tuning, Ways
from nmt_ablation.values import Block, JsonSchema, Name, NotNegative, Side, Sizes, fail


class Features(Block):
    """The states of a network's layers, mixed by learned weights (Peters et al. 2018), that feed
    one side of the model."""

    short: ClassVar[JsonSchema] = {"type": "string"}

    of: Name
    """The network, by its name under `pretrained`."""
    enters: Entry = "beside"
    """The way of the states into the model: added to the embeddings, instead of them, or by
    attention to them in each layer of encoder and decoder (Zhu et al. 2020)."""
    layer: NotNegative | None = Field(default=None, exclude_if=lambda value: value is None)
    """The one layer whose states are used, 0 for embeddings, instead of all."""
    tuned: bool = False
    """True if the network learns with the model; otherwise it is frozen, without dropout."""
    control: Literal["random"] | None = None
    """The control without knowledge: the same network as it is drawn."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"of": value} if isinstance(value, str) else value


class BackTranslation(Block):
    """Target text with translations by the random model of the other direction, of the same size
    and seed (Sennrich et al. 2016)."""

    ratio: Annotated[float, Field(gt=0)] = 1.0
    """The number of synthetic pairs for each pair of the sample."""
    tagged: bool = True
    """True if synthetic sources begin with a tag (Caswell et al. 2019)."""


class Arm(Block):
    """One way to use pretrained things. In an arm without any key, the whole model starts at random
    and all of it learns."""

    renamed: ClassVar[Mapping[str, str]] = {
        "vectors": "start: {embeddings: NAME}",
        "side": "the part: start: {source-embeddings: NAME}, or target-embeddings",
        "thaw_at": "tuning: {embeddings: {unfreeze: 1000}}",
        "learning_rate": "tuning: {embeddings: {rate: 0.1}}",
        "shuffled": "control: shuffled",
    }

    start: dict[PartName, str] = Field(default={})
    """The pretrained thing that each part starts from, by name. All other parts start at random,
    as in every other arm."""
    tuning: dict[PartName, Ways] = Field(default={})
    """The tuning of each part: frozen, fine-tuned, or ways of tuning with their values. A part that
    is frozen without a start is a control, which shows the effect of freezing alone."""
    features: dict[Side, Features] = Field(default={}, exclude_if=lambda value: not value)
    """The networks whose states feed each side of the model."""
    auxiliary: dict[Name, Auxiliary] = Field(default={}, exclude_if=lambda value: not value)
    """The objectives that are learned beside translation, by their names or names of your own."""
    back_translation: BackTranslation | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """Pairs translated back that it is trained on beside the sample, within the same budget of
    updates."""
    control: Control | None = None
    """A control with the same numbers and without the knowledge: `shuffled` gives each token the
    vector of another, `shuffled-weights` shuffles the numbers within each matrix of a network."""
    scale: Literal["matched", "raw"] = "matched"
    """The length of vectors: 1, the mean length of random embeddings, or as in the file."""
    dimension: Literal["as-is", "pca", "projection"] = "as-is"
    """The dimension of vectors: the model's; any larger one, reduced to the model's by principal
    components; or any, with a learned projection."""
    tying: Tying | None = None
    """The arm's own `model.tying`."""
    sizes: Sizes | None = None
    """The sizes at which the arm is trained; all of the experiment's sizes if it is None."""

    @model_validator(mode="before")
    @classmethod
    def _parts_named(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for key, example in (("start", "NAME"), ("tuning", "frozen")):
                if isinstance(data.get(key), str):
                    fail(
                        (key,), f"say of which part: {key}: {{embeddings: {data[key] or example}}}"
                    )
        return data

    @model_validator(mode="after")
    def _consistent(self) -> "Arm":
        parts = [part for name in self.start for part in SUMS[name]]
        if len(parts) > len(set(parts)):
            fail(("start",), "two keys name one part; name each part once")
        for name, auxiliary in self.auxiliary.items():
            if auxiliary.objective is None and name not in OBJECTIVES:
                fail(
                    ("auxiliary", name),
                    f"'{name}' is no objective; write one of {', '.join(OBJECTIVES.names())}, or "
                    "name one under the key objective",
                )
        return self

    @property
    def starts(self) -> dict[Part, str]:
        """The name of the pretrained thing that each part starts from."""
        return {part: thing for name, thing in self.start.items() for part in SUMS[name]}

    @property
    def tunings(self) -> dict[Part, list[tuple[str, Tuning]]]:
        """All ways of tuning of each part, by name; parts that learn as usual are left out."""
        found: dict[Part, list[tuple[str, Tuning]]] = {}
        for name, ways in self.tuning.items():
            for part in SUMS[name]:
                found.setdefault(part, []).extend(ways.items())
        return {part: ways for part, ways in found.items() if ways}


READY_MADE: dict[str, dict[str, Any]] = {
    "random": {"start": {}},
    "finetuned": {},
    "frozen": {"tuning": {"embeddings": "frozen"}},
    "slow": {"tuning": {"embeddings": {"rate": 0.1}}},
    "source-only": {"start": ("source-embeddings",)},
    "target-only": {"start": ("target-embeddings",)},
    "raw-scale": {"scale": "raw"},
    "frozen-random": {"start": {}, "tuning": {"embeddings": "frozen"}},
    "shuffled": {"control": "shuffled"},
    "frozen-shuffled": {"control": "shuffled", "tuning": {"embeddings": "frozen"}},
}
"""The usual arms and controls, by name. Unless an arm says otherwise, the embeddings of both sides
start from the experiment's only pretrained thing."""


def or_listed(mapping: JsonSchema, _: object) -> JsonSchema:
    """Return the JSON Schema of arms: a mapping, or a list of ready-made ones."""
    return {"anyOf": [mapping, {"type": "array", "items": {"enum": [*READY_MADE]}, "minItems": 1}]}


def ready_made(names: list[Any], pretrained: Any) -> dict[str, Any]:
    """Return the ready-made arms that a list names.

    Args:
        pretrained: the value of the experiment's key `pretrained`.
    """
    things = list(pretrained) if isinstance(pretrained, dict) else []
    arms = {}
    for at, name in enumerate(names):
        if name in names[:at]:
            fail(("arms", at), f"'{name}' stands here twice")
        if not isinstance(name, str) or name not in READY_MADE:
            near = difflib.get_close_matches(str(name), READY_MADE, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            known = ", ".join(READY_MADE)
            fail(("arms", at), f"no ready-made arm is called '{name}'{hint}; there are: {known}")
        arm = dict(READY_MADE[name])
        parts = arm.pop("start", ("embeddings",))
        if parts and len(things) != 1:
            fail(
                ("arms", at),
                f"'{name}' needs exactly one thing under pretrained, and there are "
                f"{len(things)}; write arms as a mapping, with a start for each",
            )
        arms[name] = arm | {"start": dict.fromkeys(parts, *things)} if parts else arm
    return arms
