"""The second outcome of a training: the cross-entropy of the validation set's references.

It is told in bits per character, so that it doesn't depend on the segmentation, and is the least of
all validations, wherever the checkpoint that is scored stands. It comes from training, not from
translations: its intervals are for other seeds, and not for other sentences.
"""

from collections.abc import Iterable

from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.score import Score

NAME = "bits"
MEASURE = Measure(label="bits/character", higher_is_better=False, highest=None, decimals=3)
SIGNATURE = "cross-entropy of the validation set's references|bits per character|least in training"


def score(losses: Iterable[float | None], tokens_per_character: float) -> Score | None:
    """Return the least loss in bits per character; None if no loss was finite.

    Args:
        losses: the losses of validations in bits a token.
    """
    finite = [loss for loss in losses if loss is not None]
    if not finite:
        return None
    return Score(value=min(finite) * tokens_per_character, signature=SIGNATURE)
