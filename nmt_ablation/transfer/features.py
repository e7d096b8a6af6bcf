"""Features: the states of a network that runs beside the model and feeds it.

As in ELMo (Peters et al. 2018), the states of all layers are mixed by learned weights. A learned
matrix then projects the mixture to the model's dimension. They enter with the embeddings, or every
layer attends to them.
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
from nmt_ablation.model.parts import Entry, Sees
from nmt_ablation.model.settings import settings_of
from nmt_ablation.model.transformer import layer_states
from nmt_ablation.transfer.fused import fuse
from nmt_ablation.transfer.kept import KEPT, Kept, key_of
from nmt_ablation.values import Side

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
    enters: Entry
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

    @property
    def fused(self) -> bool:
        """True if every layer attends to them; otherwise they enter with the embeddings."""
        return self.enters == "fused"

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
        self.kept: Kept | None = None
        """The states of training sentences."""
        self.states: Tensor | None = None
        """The features of the last source: length x sentences x dimension."""
        self.update = 0
        """The number of updates done."""

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
        elif self.kept and (kept := self.kept.find(tokens, self.padding)) is not None:
            states = kept.to(tokens.device, self.mix.dtype)
        else:
            with torch.no_grad():
                states = self._states(tokens, dtype)
        shares = torch.softmax(self.mix, 0).to(states.dtype)
        mixed = torch.einsum("k,kstw->stw", shares, states)
        found: Tensor = self.gain * (mixed.to(dtype) @ self.projection.to(dtype))
        return found

    def keep(self, sentences: Iterable[Tensor], dtype: torch.dtype, folder: Path) -> None:
        """Compute the states of sentences and keep them on disk, as many as there is room for.

        Which ones are kept, and what is computed together, depends on the sentences alone, so that
        a resumed training computes the same.

        Args:
            folder: a folder on the disk to keep them on.
        """
        if self.fed.tuned or self.kept is not None:
            return
        self.kept = Kept(folder, KEPT)
        different = {key_of(it): it for it in sentences}
        ordered = sorted(different.values(), key=len)
        device = self.mix.device
        for start in range(0, len(ordered), SENTENCES):
            some = ordered[start : start + SENTENCES]
            tokens = nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=self.padding)
            with torch.no_grad():
                states = self._states(tokens.to(device), dtype)
            for row, sentence in enumerate(some):
                if not self.kept.add(sentence, states[:, row, : len(sentence)]):
                    return self.kept.close()
        self.kept.close()

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
    """Embeddings that features are added to, that they replace, or that they come with."""

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
        if self.features.fed.fused:
            self.features.states = features.transpose(0, 1)
            return embeddings
        scaled = features / self.scale
        return scaled if self.features.fed.enters == "instead" else embeddings + scaled


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
    if fed.fused:
        fuse(model, features)


def features_of(model: Any) -> Sequence[Features]:
    """Return the features of a model's two sides, as far as it has some."""
    tables = (model.encoder.embed_tokens, model.decoder.embed_tokens)
    return [it.features for it in tables if isinstance(it, Fuller)]
