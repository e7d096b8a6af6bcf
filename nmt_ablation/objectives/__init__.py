"""Objectives: what a network learns from text or from sentence pairs, before it learns to translate
or beside.

To add an objective, write a class in a file of its own here, and name it in `OBJECTIVES`; a package
of your own names its class under the entry points `nmt_ablation.objectives`. An objective turns a
sentence, or a pair, into what the encoder and the decoder read, and what they predict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainValidator, SerializeAsAny, ValidationError

from nmt_ablation.model.parts import Part, Sees
from nmt_ablation.registry import Registry
from nmt_ablation.values import Block, Written, fail, within

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Tokens: TypeAlias = NDArray[np.int64]
"""Indices of tokens in a dictionary."""
Stack: TypeAlias = Literal["encoder", "decoder"]

PARTS_OF: Mapping[Stack, tuple[Part, ...]] = {
    "encoder": ("source-embeddings", "encoder-layers"),
    "decoder": ("target-embeddings", "decoder-layers", "output-layer"),
}
"""The parts that each stack has when it learns alone."""


@dataclass(frozen=True)
class Vocabulary:
    """The indices that an objective may put into a sentence."""

    size: int
    first: int
    """The index of the first token that is no special symbol."""
    padding: int
    end: int
    """The end of a sentence, which also begins what the decoder reads."""
    mask: int
    """The mask. It is the symbol <s>, which translation never uses."""


@dataclass(frozen=True)
class Example:
    """One sentence, as an objective presents it."""

    source: Tokens | None
    """The tokens that the encoder reads; None if there is no encoder."""
    previous: Tokens | None
    """The tokens that the decoder reads; None if there is no decoder."""
    target: Tokens
    """The token to predict at each position of the decoder, or else of the encoder; padding where
    nothing is predicted."""
    sees: Sees = "all"
    """The positions that the encoder's attend to."""


@dataclass(frozen=True)
class Batch:
    """Examples that are computed together, padded at the end: sentences x length each."""

    source: "Tensor | None"
    previous: "Tensor | None"
    target: "Tensor"
    sees: Sees = "all"


class Objective(Block):
    """One objective, whose fields are the settings of its noise."""

    version: ClassVar[int] = 1
    """The version of the code; raised when that code gives another result."""
    stacks: ClassVar[tuple[Stack, ...]]
    """The stacks that learn."""
    views: ClassVar[tuple[Sees, ...]] = ("all",)
    """The positions that a position attends to, once for each direction in which text is read."""
    pairs: ClassVar[bool] = False
    """True if it reads sentence pairs, not text."""
    teaches_itself: ClassVar[bool] = False
    """True if the model learns from its own predictions, which say something only beside
    translation."""

    def examples(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        """Return the examples that are made of one sentence: the same number of each, whose n-th
        examples are computed together.

        Args:
            sentence: the sentence, without its end.
            chance: the only source of noise. It depends on seed, epoch and sentence alone, so that
                resumed training sees the same noise.
        """
        raise NotImplementedError

    def loss(
        self, model: "nn.Module", batches: Sequence[Batch], padding: int, dtype: "torch.dtype"
    ) -> "tuple[Tensor, int]":
        """Return the loss of a batch in nats, and the number of predictions that it sums.

        Args:
            model: a fairseq Transformer.
            batches: the first examples of all sentences, then the second, and so on.
            padding: the index of padding.
            dtype: the type of matrix products.
        """
        import torch

        from nmt_ablation.model.transformer import objective_loss

        losses = [
            objective_loss(model, it.source, it.previous, it.target, padding, dtype, it.sees)
            for it in batches
        ]
        return torch.stack(losses).sum(), sum(int((it.target != padding).sum()) for it in batches)

    def precision(
        self,
        model: "nn.Module",
        held_out: Sequence[Sequence[Batch]],
        padding: int,
        dtype: "torch.dtype",
    ) -> float | None:
        """Return the precision at 1 of retrieval on held-out pairs, if the objective learns it.

        Args:
            held_out: the batches of the held-out pairs.
        """
        return None

    def cites(self) -> tuple[str, ...]:
        """Return the keys of corpora/references.bib to cite."""
        return ()


class PairObjective(Objective):
    """An objective that reads sentence pairs."""

    pairs: ClassVar[bool] = True

    shuffled: bool = False
    """True if each source sentence comes with the target sentence of another pair: a control, from
    which no translation can be learned."""

    def pair_examples(
        self, source: Tokens, target: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        """Return the examples that are made of one pair, as `examples` does of one sentence."""
        raise NotImplementedError


OBJECTIVES: Registry[Objective] = Registry(
    "objective",
    "nmt_ablation.objectives",
    {
        "causal-lm": "nmt_ablation.objectives.causal_lm:CausalLM",
        "bidirectional-lm": "nmt_ablation.objectives.bidirectional_lm:BidirectionalLM",
        "masked-lm": "nmt_ablation.objectives.masked_lm:MaskedLM",
        "mass": "nmt_ablation.objectives.mass:Mass",
        "prefix-lm": "nmt_ablation.objectives.prefix_lm:PrefixLM",
        "denoising": "nmt_ablation.objectives.denoising:Denoising",
        "translation": "nmt_ablation.objectives.translation:Translation",
        "translation-lm": "nmt_ablation.objectives.translation_lm:TranslationLM",
        "partial-views": "nmt_ablation.objectives.partial_views:PartialViews",
        "translation-ranking": "nmt_ablation.objectives.translation_ranking:TranslationRanking",
    },
)


def ended(sentence: Tokens, vocabulary: Vocabulary) -> Tokens:
    """Return a sentence with its end."""
    return np.append(sentence, vocabulary.end)


def shifted(sentence: Tokens, vocabulary: Vocabulary) -> Tokens:
    """Return a sentence as a decoder reads it: each token stands where the next is predicted."""
    return np.insert(sentence, 0, vocabulary.end)


def _named(value: Any) -> dict[str, Objective]:
    """Read a name, or a mapping of one name to the settings of its noise."""
    named = {value: {}} if isinstance(value, str) else value
    allowed = ", ".join(OBJECTIVES.names())
    if not isinstance(named, Mapping) or len(named) != 1:
        fail((), f"write one of {allowed}, or {{NAME: {{its settings}}}}")
    ((name, settings),) = named.items()
    if isinstance(settings, Objective):
        return {name: settings}
    if name not in OBJECTIVES:
        fail((), f"'{name}' is no objective; allowed: {allowed}")
    try:
        return {name: OBJECTIVES[name].model_validate(settings)}
    except ValidationError as invalid:
        raise within(name, invalid) from None


Named = Annotated[
    dict[str, SerializeAsAny[Objective]],
    PlainValidator(_named),
    Written(
        lambda own, of: {
            "anyOf": [
                {"enum": OBJECTIVES.names()},
                {
                    "type": "object",
                    "properties": {name: of(OBJECTIVES[name]) for name in OBJECTIVES.names()},
                    "additionalProperties": False,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ]
        }
    ),
]
"""An objective by its name: a mapping with one entry."""
