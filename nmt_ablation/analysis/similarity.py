"""Similarity: how alike the states of a model's layers are to those of its start and of the
baseline."""

from collections.abc import Iterator
from itertools import product, repeat
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

        start, others = subject.with_weights(subject.start), subject.other
        layers = list(next(subject.states(start)))
        with_start = Covariances((layer, layer) for layer in layers)
        with_baseline = Covariances(
            (one, other)
            for one, other in product(layers, layers)
            if one.split()[0] == other.split()[0]
        )
        theirs = repeat(None) if others is None else subject.states(others)
        own, before = subject.states(subject.model), subject.states(start)
        for states, at_start, baseline in zip(own, before, theirs, strict=False):
            with_start.add(states, at_start)
            if baseline is not None:
                with_baseline.add(states, baseline)
        for (place, _), value in with_start.similarities().items():
            yield Finding("CKA with its start", place, value)
        if others is not None:
            for (place, other), value in with_baseline.similarities().items():
                yield Finding("CKA with the baseline", place, value, other)
