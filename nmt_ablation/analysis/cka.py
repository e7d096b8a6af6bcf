"""Linear centred kernel alignment (Kornblith et al. 2019, "Similarity of neural network
representations revisited"), summed over batches."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

States = Mapping[str, Tensor]


class Covariances:
    """Sums over tokens, from which all similarities between two sets of layers follow.

    Memory grows with the pairs of layers and the square of the dimension, not with the tokens.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Begin with no token.

        Args:
            pairs: the names of the layers to compare, the first set's layer first.
        """
        self._pairs = list(dict.fromkeys(pairs))
        self._tokens = 0
        self._sums: dict[tuple[int, str], Tensor] = {}
        self._products: dict[tuple[int, str, int, str], Tensor] = {}

    def add(self, ones: States, others: States) -> None:
        """Add the states of the same tokens (tokens x dimension each) in both sets of layers."""
        both = [{name: states.double() for name, states in of.items()} for of in (ones, others)]
        self._tokens += len(next(iter(both[0].values())))
        for at, layers in enumerate(both):
            for name, states in layers.items():
                self._into(self._sums, (at, name), states.sum(0))
                self._into(self._products, (at, name, at, name), states.T @ states)
        for one, other in self._pairs:
            self._into(self._products, (0, one, 1, other), both[0][one].T @ both[1][other])

    @staticmethod
    def _into(sums: dict[tuple[Any, ...], Tensor], key: tuple[Any, ...], more: Tensor) -> None:
        sums[key] = sums[key] + more if key in sums else more

    def similarities(self) -> dict[tuple[str, str], float]:
        """Return the similarity of each pair of layers, from 0 to 1."""
        return {
            (one, other): self._squared((0, one), (1, other))
            / (self._squared((0, one), (0, one)) * self._squared((1, other), (1, other))) ** 0.5
            for one, other in self._pairs
        }

    def _squared(self, one: tuple[int, str], other: tuple[int, str]) -> float:
        """Return the squared norm of the covariance of two layers, times the squared number of
        tokens."""
        means = torch.outer(self._sums[one], self._sums[other]) / self._tokens
        return float((self._products[*one, *other] - means).square().sum())
