"""Attention to features beside a layer's own attention (BERT-fused NMT, Zhu et al. 2020)."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn

if TYPE_CHECKING:
    from nmt_ablation.transfer.features import Features

GAIN = 2**-0.5
"""fairseq's gain of the first weights of queries, keys and values."""


class Fused(MultiheadAttention):  # type: ignore[misc]
    """fairseq's attention, whose output is the mean with that of attention to features.

    Drop-net, at its rate of 1: an update of training uses either of the two, which is drawn for
    each layer.
    """

    other: MultiheadAttention
    """The attention to features."""
    place: str
    """The name of this attention in the model."""

    def learn_beside(self, features: "Features", place: str) -> None:
        """Add the attention to features, drawn by their seed."""
        self.place = place
        self._of = (features,)  # in a tuple, as a module's attributes become its parts
        self.other = MultiheadAttention(
            self.embed_dim, self.num_heads, encoder_decoder_attention=True
        )
        chance = torch.Generator().manual_seed(random.Random(self._words()).getrandbits(63))
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear = getattr(self.other, name)
            gain = 1.0 if name == "out_proj" else GAIN
            nn.init.xavier_uniform_(linear.weight, gain, generator=chance)
            nn.init.zeros_(linear.bias)

    @property
    def features(self) -> "Features":
        return self._of[0]

    @property
    def shares(self) -> tuple[float, float]:
        """The shares of a layer's own attention and of that to features."""
        if not self.training:
            return 0.5, 0.5
        # By chance of its own, so that dropout stays that of all other arms.
        own = random.Random(f"{self._words()} {self.features.update}").random() < 0.5
        return (1.0, 0.0) if own else (0.0, 1.0)

    def _words(self) -> str:
        return f"{self.features.fed.seed} {self.place}"

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        incremental_state: Any = None,
        need_weights: bool = True,
        static_kv: bool = False,
        **settings: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the mean of both attentions, as fairseq returns its own.

        A search hands on features behind the encoder's states, as parts of keys.
        """
        fed = self.features.states
        if key.shape[2] > self.embed_dim:
            fed = key[..., self.embed_dim :]
            key = value = key[..., : self.embed_dim]
        assert fed is not None, "features come with the embeddings"
        common = {
            "key_padding_mask": key_padding_mask,
            "incremental_state": incremental_state,
            "static_kv": static_kv,
        }
        own, weights = super().forward(
            query, key, value, need_weights=need_weights, **common, **settings
        )
        other, _ = self.other(query, fed, fed, need_weights=False, **common)
        first, second = self.shares
        return first * own + second * other, weights


def fuse(model: Any, features: "Features") -> None:
    """Have all layers of a fairseq Transformer attend to features of its source."""
    places = [("encoder", "self_attn"), ("decoder", "encoder_attn")]
    for stack, name in places:
        layers: Sequence[Any] = getattr(model, stack).layers
        for number, layer in enumerate(layers):
            attention = getattr(layer, name)
            attention.__class__ = Fused  # which keeps the names of weights
            attention.learn_beside(features, f"{stack}.{number}.{name}")
