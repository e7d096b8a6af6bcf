"""Flatness: how a model's loss rises when noise is added to its weights (Li et al. 2018,
"Visualizing the loss landscape of neural nets"; Zan et al. 2022 ask it of pretrained starts)."""

from collections.abc import Iterator
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.analysis import Finding, ModelAnalysis

if TYPE_CHECKING:
    from nmt_ablation.analysis.subject import Subject, Weights

SHARES = (0.1, 0.2, 0.4)
"""Lengths of the noise, as shares of the length of each row of a matrix."""
DRAWS = 3


class Flatness(ModelAnalysis):
    """The loss on the validation set with noise added to all weights, drawn at random for each row
    of a matrix, with a length that is a share of the row's."""

    title: ClassVar[str] = "Flatness"
    shows: ClassVar[str] = (
        "Bits for each target token that noise adds, where noise is a share of each row's length: "
        "the fewer, the flatter the loss around the solution."
    )
    hides: ClassVar[str] = "Flat solutions tend to generalise, and need not."

    def findings(self, subject: "Subject") -> Iterator[Finding]:
        whole = subject.predictions(subject.weights).bits
        for done, share in enumerate(SHARES, 1):
            bits = (
                subject.predictions(_noisy(subject.weights, share, seed)).bits
                for seed in range(DRAWS)
            )
            yield Finding("bits that noise adds", f"{share:.0%}", fmean(bits) - whole)
            subject.progress(done, len(SHARES))


def _noisy(weights: "Weights", share: float, seed: int) -> "Weights":
    """Return weights with noise, which is the same for models of one shape."""
    import torch

    chance, found = torch.Generator().manual_seed(seed), {}
    for name, weight in weights.items():
        noise = torch.randn(weight.shape, generator=chance)
        if weight.dim() < 2:  # biases and norms keep their values, as in Li et al.
            found[name] = weight
            continue
        lengths = weight.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True)
        found[name] = weight + share * lengths * noise
    return found
