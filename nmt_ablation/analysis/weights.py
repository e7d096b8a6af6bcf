"""The weights of a model, gathered by layer and by the frequency of tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nmt_ablation.analysis import bins
from nmt_ablation.model.parts import WITH_ROWS, Part, place_of
from nmt_ablation.values import SIDES, Side

if TYPE_CHECKING:
    from nmt_ablation.analysis.subject import Subject, Weights

SENTENCES = 1_000_000
"""Sentences of the sample whose tokens are counted."""
TOGETHER = 10_000
"""Sentences that are counted at once."""
FED = (".features.", ".other.")
"""The marks of weights that features have added to a Transformer."""


@dataclass(frozen=True)
class Of:
    """The place of a weight, as findings name it."""

    part: Part
    layer: str
    """The part and the layer's number; the part alone for embeddings and the output layer."""


def places(subject: "Subject") -> dict[str, Of]:
    """Return the places of all weights of a Transformer, by the weights' names, without those that
    features have added."""
    depths = len(subject.model.encoder.layers), len(subject.model.decoder.layers)
    found = {}
    for name in subject.weights:
        if name.endswith(("version", "_float_tensor")) or any(mark in name for mark in FED):
            continue
        place = place_of(name, *depths)
        layer = str(place.part)
        if place.part not in WITH_ROWS:
            layer += f" {place.depth}" if place.depth else ", positions"
        found[name] = Of(place.part, layer)
    return found


def by_layer(weights: "Weights", subject: "Subject") -> dict[str, Tensor]:
    """Join the weights of each layer, in float64."""
    found: dict[str, list[Tensor]] = {}
    for name, place in places(subject).items():
        found.setdefault(place.layer, []).append(weights[name].double().flatten())
    return {layer: torch.cat(them) for layer, them in found.items()}


def by_frequency(weights: "Weights", subject: "Subject") -> dict[str, Tensor]:
    """Join the embeddings of tokens of alike frequency in the sample, in float64."""
    found = {}
    for side, counts in occurrences(subject).items():
        rows = subject.embeddings(side, weights).double()
        # Special symbols have no class.
        classes = torch.stack([counts >= first for first in bins.FREQUENCIES]).sum(0) - 1
        for number, name in enumerate(bins.names(bins.FREQUENCIES, "times")):
            if (there := classes == number).any():
                found[f"{side}, {name}"] = rows[there].flatten()
    return found


def occurrences(subject: "Subject") -> Mapping[Side, Tensor]:
    """Count each token of each side's dictionary in the sample; special symbols have -1."""
    found: dict[Side, Tensor] = {}
    for side in SIDES:
        dictionary, sentences = subject.dictionary(side), subject.sample(side)
        counts = torch.zeros(len(dictionary), dtype=torch.long)
        number = min(len(sentences), SENTENCES)
        for start in range(0, number, TOGETHER):
            some = [sentences[at] for at in range(start, min(start + TOGETHER, number))]
            counts += torch.bincount(torch.cat(some), minlength=len(dictionary))
        counts[: dictionary.nspecial] = -1
        found[side] = counts
    return found
