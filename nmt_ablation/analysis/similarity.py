"""Similarity: how alike the states of a model's layers are to those of its start and of the
baseline."""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.analysis import Finding, ModelAnalysis

if TYPE_CHECKING:
    from nmt_ablation.analysis.subject import Subject


class Similarity(ModelAnalysis):
    """The similarity of a model's states, layer by layer, with those of its start and with those of
    the baseline (linear CKA)."""

    title: ClassVar[str] = "Similarity of states"
    shows: ClassVar[str] = (
        "Linear CKA over the tokens of the validation set, layer by layer, where layer 0 is what "
        "the first layer reads: 1 means that states differ by a rotation and a factor at most, 0 "
        "that they share no linear structure."
    )
    hides: ClassVar[str] = (
        "Alike states need not be used alike, and a large common direction can hide differences in "
        "all others."
    )
    compares: ClassVar[bool] = True

    def findings(self, subject: "Subject") -> Iterator[Finding]:
        from nmt_ablation.analysis.cka import Covariances

        start = subject.with_weights(subject.start)
        layers = list(next(subject.states(subject.model)))
        with_start = Covariances((layer, layer) for layer in layers)
        own = subject.states(subject.model)
        for states, before in zip(own, subject.states(start), strict=True):
            with_start.add(states, before)
        for (place, _), value in with_start.similarities().items():
            yield Finding("CKA with its start", place, value)
        if subject.other is None:
            return
        alike = (
            (one, other)
            for one, other in product(layers, layers)
            if one.split()[0] == other.split()[0]
        )
        with_baseline = Covariances(alike)
        own = subject.states(subject.model)
        for states, theirs in zip(own, subject.states(subject.other), strict=True):
            with_baseline.add(states, theirs)
        for (place, other), value in with_baseline.similarities().items():
            yield Finding("CKA with the baseline", place, value, other)
