from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from nmt_ablation.objectives import (
    Example,
    Objective,
    Tokens,
    Vocabulary,
    ended,
    shifted,
)
from nmt_ablation.values import NotNegative, Share

Length = Annotated[float, Field(strict=True, gt=0)]


class Denoising(Objective):
    """Denoising (Lewis et al. 2020, "BART"): the encoder reads a sentence with noise, and the
    decoder predicts the sentence. The noise of BART's own is spans, each replaced by one mask."""

    stacks = ("encoder", "decoder")

    spans: Share = 0.35
    """The share of tokens that stand in spans."""
    span_length: Length = 3.0
    """The mean length of spans, which is drawn from a Poisson distribution. A span of length 0 is a
    mask between two tokens."""
    deletion: Share = 0.0
    """The share of the other tokens that are deleted."""
    permutation: NotNegative = 0
    """The number of places that a token may move, at most (Lample et al. 2018)."""

    def examples(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Sequence[Example]:
        noisy = self._masked(self._permuted(sentence, chance), chance, vocabulary)
        if self.deletion:
            kept = (chance.random(len(noisy)) >= self.deletion) | (noisy == vocabulary.mask)
            noisy = noisy[kept]
        return [
            Example(
                ended(noisy, vocabulary),
                shifted(sentence, vocabulary),
                ended(sentence, vocabulary),
            )
        ]

    def _permuted(self, sentence: Tokens, chance: np.random.Generator) -> Tokens:
        if not self.permutation:
            return sentence
        # A token is overtaken only by tokens that stand at most so many places behind it.
        keys = np.arange(len(sentence)) + chance.uniform(0, self.permutation + 1, len(sentence))
        permuted: Tokens = sentence[np.argsort(keys, kind="stable")]
        return permuted

    def _masked(
        self, sentence: Tokens, chance: np.random.Generator, vocabulary: Vocabulary
    ) -> Tokens:
        """Replace spans by masks, one for each."""
        whole = round(self.spans * len(sentence))
        if not whole:
            return sentence
        lengths = chance.poisson(self.span_length, 1 + whole)
        while lengths.sum() < whole:
            lengths = np.append(lengths, chance.poisson(self.span_length, 1 + whole))
        ends = np.cumsum(lengths)
        lengths = lengths[: int(np.searchsorted(ends, whole)) + 1]
        lengths[-1] -= ends[len(lengths) - 1] - whole
        # Spans and other tokens in a random order of places, which the spans then fill.
        slots = len(sentence) - whole + len(lengths)
        width = np.ones(slots, np.int64)
        of_spans = np.sort(chance.choice(slots, len(lengths), replace=False))
        width[of_spans] = lengths
        starts = np.cumsum(width) - width
        noisy: Tokens = sentence[np.minimum(starts, len(sentence) - 1)]
        noisy[of_spans] = vocabulary.mask
        return noisy

    def cites(self) -> tuple[str, ...]:
        return ("lewis-2020",)
