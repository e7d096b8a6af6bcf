"""Drift: how far training moved each part of a model from its start."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.analysis import Finding, ModelAnalysis

if TYPE_CHECKING:
    from nmt_ablation.analysis.subject import Subject


class Drift(ModelAnalysis):
    """The distance and the angle between the weights of each layer before and after training.
    Embeddings are also told apart by the frequency of their tokens in the sample."""

    title: ClassVar[str] = "How far training moved weights"
    shows: ClassVar[str] = (
        "The angle between weights before and after training, and the distance in lengths of the "
        "start: the smaller, the more is left of the start."
    )
    hides: ClassVar[str] = (
        "A layer that moved far may compute the same as before, and one that hardly moved may be "
        "of no use."
    )

    def findings(self, subject: "Subject") -> Iterator[Finding]:
        import torch

        from nmt_ablation.analysis.weights import by_frequency, by_layer

        start, trained = subject.start, subject.weights
        for label, named in (("", by_layer), (", by frequency in the sample", by_frequency)):
            after = named(trained, subject)
            for place, before in named(start, subject).items():
                moved = after[place] - before
                yield Finding(f"distance{label}", place, float(moved.norm() / before.norm()))
                cosine = float(torch.cosine_similarity(before, after[place], 0))
                angle = math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
                yield Finding(f"angle in degrees{label}", place, angle)
