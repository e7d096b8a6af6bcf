"""Tuning: how the weights of a part move, as a multiplier of their learning rate.

To add a way of tuning, write a class with a `value` and a `multiplier` in a file of its own here,
and name it in `TUNINGS`; a package of your own names its class under the entry points
`nmt_ablation.tunings`. Several ways of tuning one weight multiply.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    PlainValidator,
    SerializeAsAny,
    ValidationError,
    model_serializer,
    model_validator,
)

from nmt_ablation.model.parts import Place
from nmt_ablation.registry import Registry
from nmt_ablation.values import Block, JsonSchema, Written, fail, within


class Tuning(Block):
    """One way of tuning. In the experiment file, it stands as `NAME: VALUE`."""

    example: ClassVar[str]
    """An example of the way, as an experiment file writes it."""
    value: Any

    @property
    def rank(self) -> int | None:
        """The rank of the updates of matrices; None if it is not limited."""
        return None

    def multiplier(self, place: Place, update: int) -> float:
        """Return the factor of a weight's learning rate; 0 freezes the weight.

        Args:
            place: the weight's place in the model.
            update: the number of updates done so far.
        """
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"value": value}

    @model_serializer
    def _as_written(self) -> Any:
        return self.value


TUNINGS: Registry[Tuning] = Registry(
    "way of tuning",
    "nmt_ablation.tunings",
    {
        "frozen": "nmt_ablation.transfer.tuning.frozen:Frozen",
        "rate": "nmt_ablation.transfer.tuning.rate:Rate",
        "unfreeze": "nmt_ablation.transfer.tuning.unfreeze:Unfreeze",
        "gradual": "nmt_ablation.transfer.tuning.gradual:Gradual",
        "decay": "nmt_ablation.transfer.tuning.decay:Decay",
        "slanted": "nmt_ablation.transfer.tuning.slanted:Slanted",
        "low-rank": "nmt_ablation.transfer.tuning.low_rank:LowRank",
    },
)

WORDS: Mapping[str, Mapping[str, Any]] = {"frozen": {"frozen": True}, "fine-tuned": {}}
"""Ways that a single word names."""


def _ways(value: Any) -> dict[str, Tuning]:
    """Read `frozen`, or a mapping of ways to their values."""
    if isinstance(value, str):
        if value not in WORDS:
            fail((), f"'{value}' is no way of tuning; allowed: {', '.join(WORDS)}, or {_forms()}")
        value = WORDS[value]
    if not isinstance(value, Mapping):
        fail((), f"write {', '.join(WORDS)}, or {_forms()}")
    found = {}
    for name, each in value.items():
        if isinstance(each, Tuning):
            found[name] = each
            continue
        if name not in TUNINGS:
            fail((name,), f"'{name}' is no way of tuning; allowed: {', '.join(TUNINGS.names())}")
        try:
            found[name] = TUNINGS[name].model_validate(each)
        except ValidationError as invalid:
            raise within(name, invalid, without="value") from None
    return found


def _forms() -> str:
    return "{" + ", ".join(TUNINGS[name].example for name in TUNINGS.built_in) + "}"


def _value(block: JsonSchema) -> JsonSchema:
    """Return the JSON Schema of a way's value, with the meaning of the way."""
    return {**block["properties"]["value"], "description": block["description"]}


Ways = Annotated[
    dict[str, SerializeAsAny[Tuning]],
    PlainValidator(_ways),
    Written(
        lambda own, of: {
            "anyOf": [
                {"enum": list(WORDS)},
                {
                    "type": "object",
                    "properties": {name: _value(of(TUNINGS[name])) for name in TUNINGS.names()},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""All ways in which one part is tuned, by name."""


@dataclass(frozen=True)
class Tuned:
    """The tuning of one weight, by one way or several, whose multipliers are multiplied."""

    ways: tuple[Tuning, ...]
    place: Place

    def multiplier(self, update: int) -> float:
        """Return the factor of the weight's learning rate after a number of updates."""
        return math.prod(way.multiplier(self.place, update) for way in self.ways)
