"""The model of an arm, made from a model drawn at random.

An arm changes a model that is already drawn, so that arms differ in nothing else. Embeddings may be
the product of learned vectors of another dimension and a learned projection, and matrices of layers
the sum of a frozen matrix and a learned product of low rank. `fold` multiplies such products out,
so that stock fairseq loads the model.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import SPECIAL_SYMBOLS, Tying
from nmt_ablation.model.parts import Part, place_of
from nmt_ablation.transfer.control import Control, controlled, seed_of
from nmt_ablation.transfer.features import Fed
from nmt_ablation.transfer.tuning import Tuned, Tuning
from nmt_ablation.values import Side


@dataclass(frozen=True)
class Transfer:
    """The start and the tuning of an arm's model."""

    rows: Mapping[Side, Path] = field(default_factory=dict)
    """The file of vectors (see `transfer.place`) that each side's embeddings start from."""
    projection: bool = False
    """True if the vectors keep their own dimension, and are projected to the model's."""
    networks: Mapping[Part, Path] = field(default_factory=dict)
    """The checkpoint of the network that each part starts from, of the model's own architecture and
    dictionaries. Weights that are no numbers there start at random."""
    control: Control | None = None
    """The control under which parts start from networks. Vectors come shuffled already."""
    tuning: Mapping[Part, tuple[Tuning, ...]] = field(default_factory=dict)
    tying: Tying = "none"
    features: tuple[Fed, ...] = ()
    """The networks whose states feed the model."""
    seed: int = 1
    """The seed of everything drawn besides the model."""

    def apply(self, model: nn.Module, updates: int) -> None:
        """Give a fairseq Transformer that was just drawn the arm's start, tying and tuning.

        A weight that is tuned gets an attribute `tuned`, by which the optimiser sets its learning
        rate. A weight that stays frozen for the whole training gets no gradient at all.

        Args:
            model: the model to change.
            updates: the budget of the training.
        """
        layers: Any = model
        depths = len(layers.encoder.layers), len(layers.decoder.layers)
        for path in dict.fromkeys(self.networks.values()):
            parts = {part for part, other in self.networks.items() if other == path}
            self._load(model, path, parts, depths)
        for side, path in self.rows.items():
            _start(embeddings(model, side), path, self.projection, self.seed)
        tie(model, self.tying)
        self._limit_ranks(model, depths)
        for name, weight in model.named_parameters():
            place = place_of(name, *depths)
            ways = self.tuning.get(place.part, ())
            if not ways or name.endswith(".projection"):  # the projection is not pretrained
                continue
            if any(way.rank for way in ways) and not name.endswith(LowRank.LEARNED):
                weight.requires_grad_(False)
                continue
            tuned = Tuned(ways, place)
            if any(tuned.multiplier(update) for update in range(updates)):
                weight.tuned = tuned  # type: ignore[attr-defined]
            else:
                weight.requires_grad_(False)

    def _limit_ranks(self, model: nn.Module, depths: tuple[int, int]) -> None:
        """Add a product of low rank to each matrix of a part that is tuned so."""
        for name, module in list(model.named_modules()):
            if not isinstance(module, nn.Linear):
                continue
            ways = self.tuning.get(place_of(f"{name}.weight", *depths).part, ())
            for rank in (way.rank for way in ways if way.rank):
                added = LowRank(module.weight, rank, seed_of(name, self.seed))
                parametrize.register_parametrization(module, "weight", added)

    def _load(
        self, model: nn.Module, path: Path, parts: Container[Part], depths: tuple[int, int]
    ) -> None:
        """Replace the weights of some parts by those of a network."""
        network = checkpoint.read(path)["model"]
        with torch.no_grad():
            for name, weight in model.named_parameters():
                # Of a decoder that was published alone, cross-attention has an output and no more.
                if (part := place_of(name, *depths).part) in parts and name in network:
                    own = network[name].numpy()
                    found = torch.from_numpy(controlled(own, name, part, self.control, self.seed))
                    weight.copy_(torch.where(found.isnan(), weight, found))


def embeddings(model: nn.Module, side: str) -> nn.Embedding:
    """Return a side's embeddings: (tokens + special symbols) x dimension."""
    stack: Any = model.encoder if side == "source" else model.decoder
    found: nn.Embedding = stack.embed_tokens
    return found


def fold(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a model's state with projected embeddings multiplied out."""
    folded = {}
    for name, weight in weights.items():
        stem, mark, end = name.partition(".parametrizations.weight.")
        if not mark:
            folded[name] = weight
        elif end == "original":
            first = f"{stem}{mark}0"
            if f"{first}.projection" in weights:
                whole = weight @ weights[f"{first}.projection"]
            else:
                whole = weight + weights[f"{first}.up"] @ weights[f"{first}.down"]
            folded[f"{stem}.weight"] = whole.detach()
    return folded


class LowRank(nn.Module):
    """A matrix as the sum of itself and a learned product of low rank, which is 0 at first."""

    LEARNED = (".0.up", ".0.down")
    """The ends of the names of what is learned."""

    def __init__(self, matrix: Tensor, rank: int, seed: int) -> None:
        super().__init__()
        outputs, inputs = matrix.shape
        chance = torch.Generator().manual_seed(seed)
        down = torch.empty(rank, inputs).normal_(0, inputs**-0.5, generator=chance)
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, matrix: Tensor) -> Tensor:
        return matrix + self.up @ self.down


class _Projected(nn.Module):
    """Embeddings as the product of learned vectors and a learned projection."""

    def __init__(self, projection: Tensor) -> None:
        super().__init__()
        self.projection = nn.Parameter(projection)

    def forward(self, rows: Tensor) -> Tensor:
        return rows @ self.projection


def _learned(table: Any) -> nn.Parameter:
    """Return the weights of embeddings that the optimiser sees: the vectors before projection."""
    projected = parametrize.is_parametrized(table)
    rows: nn.Parameter = table.parametrizations.weight.original if projected else table.weight
    return rows


def _start(table: nn.Embedding, path: Path, projection: bool, seed: int) -> None:
    """Replace the embeddings of tokens that have vectors; special symbols have none."""
    with np.load(path) as rows:
        indices = torch.from_numpy(rows["indices"]) + SPECIAL_SYMBOLS
        values = torch.from_numpy(rows["values"])
    if indices.numel() and int(indices.max()) >= table.num_embeddings:
        raise ValueError(f"{path}: has row {int(indices.max())} for {table.num_embeddings} tokens")
    if projection:
        _project(table, values.shape[1], seed)
    learned = _learned(table)
    if values.shape[1] != learned.shape[1]:
        raise ValueError(
            f"{path}: rows of {values.shape[1]} for embeddings of {learned.shape[1]} dimensions"
        )
    with torch.no_grad():
        learned[indices] = values


def _project(table: nn.Embedding, dimension: int, seed: int) -> None:
    """Replace embeddings by vectors of another dimension, projected to the model's.

    Vectors are drawn as fairseq draws embeddings, with length 1 on average. The projection's
    entries are drawn so that it keeps lengths on average.
    """
    chance = torch.Generator().manual_seed(seed)
    tokens, width = table.weight.shape
    rows = torch.empty(tokens, dimension).normal_(0, dimension**-0.5, generator=chance)
    if table.padding_idx is not None:
        rows[table.padding_idx] = 0
    projected = _Projected(torch.empty(dimension, width).normal_(0, width**-0.5, generator=chance))
    # The vectors become the weight first: torch could not find them by inverting the projection.
    table.weight = nn.Parameter(rows)
    parametrize.register_parametrization(table, "weight", projected, unsafe=True)


def tie(model: nn.Module, tying: Tying) -> None:
    """Share embeddings with the output layer, or between sides too. The checkpoint holds each under
    its own name, so that an untied model loads it."""
    decoder: Any = model.decoder
    if tying == "all":
        embeddings(model, "source").weight = decoder.embed_tokens.weight
    if tying != "none":
        decoder.output_projection.weight = decoder.embed_tokens.weight
