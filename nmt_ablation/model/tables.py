"""Embedding tables in the shape that an arm gives them, and back in the shape that fairseq knows.

Whatever an arm does, it does to a model that is drawn at random already, so that arms differ in
nothing else. A table may be computed from what is learnt:

    table = (start + rate * (learnt - start)) @ projection

With Adam, whose steps don't depend on the size of gradients, `rate` multiplies the table's learning
rate, and nothing of the optimiser has to know. `fold` turns such tables into plain ones, so that
stock fairseq loads the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nmt_ablation.experiment import Side, Tying

SPECIAL_SYMBOLS = 4  # <s>, <pad>, </s>, <unk> stand before a dictionary's first token


@dataclass(frozen=True)
class Tables:
    """How the tables start and learn."""

    rows: Mapping[Side, str] | None = None
    """Files with rows of vectors (see `embeddings.place`), for the tables that start from some."""
    sides: tuple[Side, ...] = ()
    """The tables that what follows is about."""
    frozen: bool = False
    thaw_at: int = 0
    """Updates for which the tables stand still."""
    learning_rate: float = 1.0
    """As a multiple of the rest's."""
    projection: bool = False
    """Whether rows come in their own width, and are projected to the model's."""
    tying: Tying = "none"
    seed: int = 1
    """What has to be drawn besides the model is drawn from this."""

    def shape(self, model: nn.Module) -> list[nn.Parameter]:
        """Give the tables of a fairseq Transformer that was just drawn their shape; return the
        weights that stand still until `thaw_at`."""
        for side, path in (self.rows or {}).items():
            _start(embedding_table(model, side), Path(path), self.projection, self.seed)
        still = []
        for side in self.sides:
            table = embedding_table(model, side)
            if self.learning_rate != 1 and not parametrize.is_parametrized(table):
                parametrize.register_parametrization(table, "weight", _Computed())
            if parametrize.is_parametrized(table):
                computed = _computed(table)
                computed.learn_at(_learnt(table), self.learning_rate)
            weight = _learnt(table)
            if self.frozen:
                weight.requires_grad_(False)
            still.append(weight)
        _tie(model, self.tying)
        return still if self.thaw_at else []


def embedding_table(model: nn.Module, side: str) -> nn.Embedding:
    """The table of a side: (tokens + special symbols) x width."""
    stack: Any = model.encoder if side == "source" else model.decoder
    table: nn.Embedding = stack.embed_tokens
    return table


def fold(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's state with tables that are computed replaced by what they come to."""
    folded = {}
    for name, weight in weights.items():
        stem, mark, part = name.partition(".parametrizations.weight.")
        if not mark:
            folded[name] = weight
        elif part == "original":
            computed = _Computed()
            state = {
                key.removeprefix(f"{stem}{mark}0."): value
                for key, value in weights.items()
                if key.startswith(f"{stem}{mark}0.")
            }
            folded[f"{stem}.weight"] = computed.restored(state)(weight).detach()
    return folded


class _Computed(nn.Module):
    """A table computed from a learnt one."""

    start: Tensor | None
    rate: Tensor
    projection: Any

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("start", None)
        self.register_buffer("rate", None)
        self.register_parameter("projection", None)

    def learn_at(self, learnt: nn.Parameter, rate: float) -> None:
        """Multiply the learning rate of a table that stands where it starts from."""
        if rate != 1:
            self.start, self.rate = learnt.detach().clone(), torch.tensor(rate)

    def restored(self, state: Mapping[str, Tensor]) -> "_Computed":
        for name, value in state.items():
            setattr(self, name, nn.Parameter(value) if name == "projection" else value)
        return self

    def forward(self, learnt: Tensor) -> Tensor:
        table = learnt
        if self.start is not None:
            table = self.start + self.rate * (learnt - self.start)
        projection: nn.Parameter | None = self.projection
        return table if projection is None else table @ projection


def _computed(table: Any) -> _Computed:
    computed: _Computed = table.parametrizations.weight[0]
    return computed


def _learnt(table: Any) -> nn.Parameter:
    """What the optimiser sees of a table."""
    computed = parametrize.is_parametrized(table)
    learnt: nn.Parameter = table.parametrizations.weight.original if computed else table.weight
    return learnt


def _start(table: nn.Embedding, path: Path, projection: bool, seed: int) -> None:
    """Overwrite the rows of a table that have vectors; special symbols have none."""
    with np.load(path) as rows:
        indices = torch.from_numpy(rows["indices"]) + SPECIAL_SYMBOLS
        values = torch.from_numpy(rows["values"])
    if indices.numel() and int(indices.max()) >= table.num_embeddings:
        raise ValueError(f"{path}: has row {int(indices.max())} for {table.num_embeddings} tokens")
    if projection:
        _project(table, values.shape[1], seed)
    learnt = _learnt(table)
    if values.shape[1] != learnt.shape[1]:
        raise ValueError(f"{path}: rows of {values.shape[1]} for a table of {learnt.shape[1]}")
    with torch.no_grad():
        learnt[indices] = values


def _project(table: nn.Embedding, dimension: int, seed: int) -> None:
    """Make a table of rows of another dimension, projected to its width.

    Rows without vectors are drawn as fairseq draws them, with length 1 on average; so are the
    columns of the projection, so that it keeps lengths on average.
    """
    chance = torch.Generator().manual_seed(seed)
    tokens, width = table.weight.shape
    rows = torch.empty(tokens, dimension).normal_(0, dimension**-0.5, generator=chance)
    if table.padding_idx is not None:
        rows[table.padding_idx] = 0
    computed = _Computed()
    computed.projection = nn.Parameter(
        torch.empty(dimension, width).normal_(0, width**-0.5, generator=chance)
    )
    # The table's own weight would have to be found backwards; what is learnt is set right after.
    table.weight = nn.Parameter(rows)
    parametrize.register_parametrization(table, "weight", computed, unsafe=True)


def _tie(model: nn.Module, tying: Tying) -> None:
    """Let tables be one. The checkpoint holds each under its own name, so that models without
    ties load it."""
    decoder: Any = model.decoder
    if tying == "all":
        embedding_table(model, "source").weight = decoder.embed_tokens.weight
    if tying != "none":
        decoder.output_projection.weight = decoder.embed_tokens.weight
