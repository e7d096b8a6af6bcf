"""Reset: what a trained model loses when one of its parts goes back to its start."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.analysis import Finding, ModelAnalysis

if TYPE_CHECKING:
    from nmt_ablation.analysis.subject import Subject, Weights


class Reset(ModelAnalysis):
    """The predictions of a trained model on the validation set, with the weights of one layer put
    back to those of its start, or to those that were drawn at random."""

    title: ClassVar[str] = "What is lost when one layer is reset"
    shows: ClassVar[str] = (
        "Target tokens of the validation set that the model no longer predicts, and bits that each "
        "takes more, when one layer is put back: to its start, which takes away what the layer "
        "learned, or to random weights, which also takes away what the layer brought along."
    )
    hides: ClassVar[str] = (
        "Layers learn to work together, so losses are no shares of the gain and don't add up; a "
        "model that is overconfident can take fewer bits without a layer."
    )

    def findings(self, subject: "Subject") -> Iterator[Finding]:
        from nmt_ablation.analysis.weights import places

        where = places(subject)
        layers = list(dict.fromkeys(it.layer for it in where.values()))
        whole = subject.predictions(subject.weights)
        yield Finding("tokens predicted in %", "the whole model", whole.right)
        yield Finding("bits for each token", "the whole model", whole.bits)
        for label, weights in (("its start", subject.start), ("random weights", subject.drawn)):
            for done, layer in enumerate(layers, 1):
                of_layer = {name for name, it in where.items() if it.layer == layer}
                left = subject.predictions(_mixed(subject.weights, weights, of_layer))
                yield Finding(
                    f"tokens lost in %, reset to {label}", layer, whole.right - left.right
                )
                yield Finding(f"bits added, reset to {label}", layer, left.bits - whole.bits)
                subject.progress(done, len(layers))


def _mixed(trained: "Weights", others: "Weights", names: set[str]) -> "Weights":
    """Return trained weights, of which some are replaced."""
    return {name: others[name] if name in names else it for name, it in trained.items()}
