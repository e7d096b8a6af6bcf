"""Features: the states of a network that runs beside the model and feeds its embeddings.

As in ELMo (Peters et al. 2018), the states of all layers are mixed by learned weights. A learned
matrix then projects the mixture to the model's dimension.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import Model
from nmt_ablation.model.parts import Sees
from nmt_ablation.model.settings import settings_of
from nmt_ablation.model.transformer import layer_states
from nmt_ablation.values import Side

KEPT = 1 << 30
"""The most bytes of states that are kept of a corpus."""
SENTENCES = 64
"""Sentences whose states are computed at once, beforehand."""


@dataclass(frozen=True)
class Fed:
    """Features of one side of a model."""

    side: Side
    stack: str
    """The stack of the network that has the states: `encoder` or `decoder`."""
    views: tuple[Sees, ...]
    """The positions that each position attends to, once for each direction."""
    instead: bool
    """True if features replace the embeddings, or else are added to them."""
    tuned: bool
    """True if the network learns too."""
    seed: int
    """The seed of everything that is drawn."""
    weights: Path | None = None
    """The network's checkpoint; None for a network as it is drawn. What it lacks, or has no numbers
    for, stays as it is drawn."""
    layer: int | None = None
    """The layer whose states are used, 0 for embeddings; None for a mixture of all."""
    shape: Model | None = None
    """The network's architecture; None for that of the model that it feeds."""

    def plain(self) -> dict[str, Any]:
        """Return the shape of it all, for a checkpoint."""
        shape = self.shape and self.shape.model_dump(mode="json")
        return {**vars(self), "views": list(self.views), "weights": None, "shape": shape}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Fed":
        """Return what `plain` wrote."""
        shape = Model.model_validate(plain["shape"]) if plain.get("shape") else None
        return cls(**{**plain, "views": tuple(plain["views"]), "shape": shape})

    def settings(self, model: Any) -> Any:
        """Return fairseq's settings of the network, by those of the model that it feeds."""
        if self.shape is None:
            return model
        found = copy.deepcopy(model)
        for name, value in settings_of(self.shape).items():
            setattr(found, name, value)
        return found


class Features(nn.Module):
    """The states of a network, mixed and projected.

    Args:
        fed: the side and the use of them.
        stack: fairseq's encoder or decoder.
        dimension: the dimension to project to.
        padding: the index of padding.
        end: the index of the end of a sentence, with which a language model begins to read.
    """

    def __init__(self, fed: Fed, stack: Any, dimension: int, padding: int, end: int) -> None:
        super().__init__()
        self.fed, self.padding, self.end = fed, padding, end
        self.network = stack
        width = stack.embed_tokens.embedding_dim * len(fed.views)
        chance = torch.Generator().manual_seed(fed.seed)
        projection = torch.empty(width, dimension).normal_(0, width**-0.5, generator=chance)
        mixed = len(stack.layers) + 1 if fed.layer is None else 1
        self.mix = nn.Parameter(torch.zeros(mixed))
        self.gain = nn.Parameter(torch.ones(1))
        self.projection = nn.Parameter(projection)
        for weight in stack.parameters():
            weight.requires_grad_(fed.tuned)
        self.kept: dict[bytes, Tensor] = {}
        """The states of sentences, by their tokens: layers x length x width."""

    def train(self, mode: bool = True) -> "Features":
        """Set the mode of all but a frozen network, which has no dropout."""
        super().train(mode)
        if not self.fed.tuned:
            self.network.eval()
        return self

    def forward(self, tokens: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Return the features of tokens.

        Args:
            tokens: indices (sentences x length), padded anywhere.
            dtype: the type of matrix products; that of the weights if it is None.

        Returns:
            features, sentences x length x dimension.
        """
        dtype = dtype or self.projection.dtype
        if self.fed.tuned:
            states = self._states(tokens, dtype)
        elif (kept := self._kept(tokens)) is not None:
            states = kept
        else:
            with torch.no_grad():
                states = self._states(tokens, dtype)
        shares = torch.softmax(self.mix, 0).to(states.dtype)
        mixed = torch.einsum("k,kstw->stw", shares, states)
        found: Tensor = self.gain * (mixed.to(dtype) @ self.projection.to(dtype))
        return found

    def keep(self, sentences: Iterable[Tensor], dtype: torch.dtype) -> None:
        """Compute the states of sentences and keep them, as many as there is room for.

        Which ones are kept, and what is computed together, depends on the sentences alone, so that
        a resumed training computes the same.
        """
        if self.fed.tuned or self.kept:
            return
        different = {_key(it): it for it in sentences}
        ordered = sorted(different.values(), key=len)
        device, room = self.mix.device, KEPT
        for start in range(0, len(ordered), SENTENCES):
            some = ordered[start : start + SENTENCES]
            tokens = nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=self.padding)
            with torch.no_grad():
                states = self._states(tokens.to(device), dtype)
            for row, sentence in enumerate(some):
                own = states[:, row, : len(sentence)].clone()
                room -= own.numel() * own.element_size()
                if room < 0:
                    return
                self.kept[_key(sentence)] = own

    def _kept(self, tokens: Tensor) -> Tensor | None:
        """Return the states of sentences if all of them are kept, with zeros for padding."""
        if not self.kept:
            return None
        there = tokens != self.padding
        rows = tokens.cpu()
        found = [self.kept.get(_key(row[row != self.padding])) for row in rows]
        empty = (~there).all(1).tolist()
        if any(it is None and not nothing for it, nothing in zip(found, empty, strict=True)):
            return None
        known = [it for it in found if it is not None]
        states = known[0].new_zeros(len(known[0]), *tokens.shape, known[0].shape[2])
        states[:, there] = torch.cat(known, 1)
        return states

    def _states(self, tokens: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the normalised states of all layers: layers x sentences x length x width."""
        begins = self.fed.side == "source" and self.fed.views != ("all",)
        read = self._begun(tokens) if begins else tokens
        views = [layer_states(self.network, read, self.padding, dtype, it) for it in self.fed.views]
        if (layer := self.fed.layer) is not None:
            views = [it[layer : layer + 1] for it in views]
        states = torch.cat([F.layer_norm(it, it.shape[-1:]) for it in views], 3)
        if not begins:
            return states
        there, own = tokens != self.padding, read != self.padding
        own[:, 0] = False
        placed = states.new_zeros(len(states), *tokens.shape, states.shape[3])
        placed[:, there] = states[:, own]
        return placed

    def _begun(self, tokens: Tensor) -> Tensor:
        """Return sentences with the symbol in front with which a language model begins, padded
        behind."""
        there = tokens != self.padding
        begun = tokens.new_full((len(tokens), tokens.shape[1] + 1), self.padding)
        begun[:, 0] = self.end
        behind = torch.arange(tokens.shape[1], device=tokens.device) < there.sum(1, keepdim=True)
        begun[:, 1:][behind] = tokens[there]
        return begun


class Fuller(nn.Embedding):
    """Embeddings that features are added to, or that they replace."""

    def __init__(self, table: nn.Embedding, features: Features, scale: float) -> None:
        nn.Module.__init__(self)
        self.num_embeddings, self.embedding_dim = table.num_embeddings, table.embedding_dim
        self.padding_idx, self.weight = table.padding_idx, table.weight
        self.max_norm, self.norm_type = table.max_norm, table.norm_type
        self.scale_grad_by_freq, self.sparse = table.scale_grad_by_freq, table.sparse
        self.features, self.scale = features, scale

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fed(super().forward(tokens), self.features(tokens))

    def fed(self, embeddings: Tensor, features: Tensor) -> Tensor:
        """Join embeddings and features, both of which fairseq multiplies by its scale."""
        scaled = features / self.scale
        return scaled if self.features.fed.instead else embeddings + scaled


def attach(model: Any, fed: Fed, network: Any) -> None:
    """Add features, the states of a network, to a model.

    Args:
        model: a fairseq Transformer.
        fed: the side and the use of them.
        network: a model of the same dictionaries and of `fed.settings`, as it is drawn.
    """
    if fed.weights is not None:
        known = checkpoint.read(fed.weights)["model"]
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if name in known:
                    weight.copy_(torch.where(known[name].isnan(), weight, known[name]))
    theirs = copy.deepcopy(getattr(network, fed.stack))
    if fed.stack == "decoder":
        del theirs.output_projection  # which predicts, and has no states
    ours = model.encoder if fed.side == "source" else model.decoder
    table = ours.embed_tokens
    end = (model.decoder if fed.side == "target" else model.encoder).dictionary.eos()
    features = Features(fed, theirs, table.embedding_dim, table.padding_idx, end)
    ours.embed_tokens = Fuller(table, features, ours.embed_scale)


def features_of(model: Any) -> Sequence[Features]:
    """Return the features of a model's two sides, as far as it has some."""
    tables = (model.encoder.embed_tokens, model.decoder.embed_tokens)
    return [it.features for it in tables if isinstance(it, Fuller)]


def _key(tokens: Tensor) -> bytes:
    """Return a sentence's tokens as a key."""
    return tokens.numpy().tobytes()
