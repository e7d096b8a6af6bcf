"""Analyses: what a trained model took from its start, where in the model that is, and what is seen
of it in translations.

To add an analysis, write a class with `findings` in a file of its own here, and name it in
`ANALYSES`; a package of your own names its class under the entry points `nmt_ablation.analyses`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import PlainValidator, SerializeAsAny, ValidationError

from nmt_ablation.registry import Registry
from nmt_ablation.values import Block, Positive, Written, fail, within

if TYPE_CHECKING:
    from nmt_ablation.analysis.subject import Subject
    from nmt_ablation.analysis.texts import Texts


@dataclass(frozen=True)
class Finding:
    """One number that an analysis found."""

    measure: str
    """The quantity, with its unit, as the head of a table."""
    place: str
    """The part of the model, the layer or the class of words that it is of."""
    value: float
    other: str = ""
    """The second place, of a quantity between two."""
    interval: tuple[float, float] | None = None
    """The 95% interval for other test sentences; None if there is none."""


class Analysis(Block):
    """An analysis of a cell. Its fields are its settings."""

    version: ClassVar[int] = 1
    """The version of the code; raised when that code gives another result."""
    title: ClassVar[str]
    """The heading of its table."""
    shows: ClassVar[str]
    """A sentence on what its numbers show."""
    hides: ClassVar[str]
    """A sentence on what they don't show."""
    decimals: ClassVar[int] = 2
    """Digits after the point in a table."""


class ModelAnalysis(Analysis):
    """An analysis of a trained model, on the validation set."""

    compares: ClassVar[bool] = False
    """True if it compares models with the baseline's of the same size and seed."""

    sentences: Positive = 1000
    """The most pairs of the validation set that are used, from its start."""

    def findings(self, subject: "Subject") -> Iterator[Finding]:
        """Yield what is found in a model."""
        raise NotImplementedError


class TextAnalysis(Analysis):
    """An analysis of the translations of the test sets."""

    def findings(self, texts: "Texts") -> Iterator[Finding]:
        """Yield what is found in translations."""
        raise NotImplementedError


ANALYSES: Registry[Analysis] = Registry(
    "analysis",
    "nmt_ablation.analyses",
    {
        "drift": "nmt_ablation.analysis.drift:Drift",
        "similarity": "nmt_ablation.analysis.similarity:Similarity",
        "reset": "nmt_ablation.analysis.reset:Reset",
        "alignment": "nmt_ablation.analysis.alignment:Alignment",
        "flatness": "nmt_ablation.analysis.flatness:Flatness",
        "words": "nmt_ablation.analysis.words:Words",
        "side-effects": "nmt_ablation.analysis.side_effects:SideEffects",
    },
)


def _named(value: Any) -> dict[str, Analysis]:
    """Read a list of names, or a mapping of names to settings."""
    named = {key: {} for key in value} if isinstance(value, list) else value
    allowed = ", ".join(ANALYSES.names())
    if not isinstance(named, Mapping):
        fail((), f"write a list of some of {allowed}, or {{NAME: {{its settings}}}}")
    found = {}
    for name, settings in named.items():
        if isinstance(settings, Analysis):
            found[name] = settings
            continue
        if name not in ANALYSES:
            fail((name,), f"'{name}' is no analysis; allowed: {allowed}")
        try:
            found[name] = ANALYSES[name].model_validate(settings or {})
        except ValidationError as invalid:
            raise within(name, invalid) from None
    return found


Analyses = Annotated[
    dict[str, SerializeAsAny[Analysis]],
    PlainValidator(_named),
    Written(
        lambda own, of: {
            "anyOf": [
                {"type": "array", "items": {"enum": ANALYSES.names()}},
                {
                    "type": "object",
                    "properties": {name: of(ANALYSES[name]) for name in ANALYSES.names()},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""Analyses by name."""


def all_of_them() -> dict[str, Analysis]:
    """Return all analyses with their default settings."""
    return {name: ANALYSES[name].model_validate({}) for name in ANALYSES.names()}
