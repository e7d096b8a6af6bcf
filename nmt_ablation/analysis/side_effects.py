"""Side effects: words that are copied from the source, and the length of translations.

Pretraining by denoising teaches a model to copy its input (Liu et al. 2021, "On the copying
behaviors of pre-training for neural machine translation").
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.analysis import Finding, TextAnalysis

if TYPE_CHECKING:
    from nmt_ablation.analysis.texts import Counts, Texts


class SideEffects(TextAnalysis):
    """The share of words of letters that the source has too, in translations and in references, and
    the words of translations for each word of the references."""

    title: ClassVar[str] = "Copies and length"
    shows: ClassVar[str] = (
        "Words of letters that stand in the source too, in percent: a larger share than the "
        "references' means that the model copies what it should translate. Words for each word of "
        "the references: below 1, translations are too short."
    )
    hides: ClassVar[str] = "Names and words that both languages share are copied rightly."

    def findings(self, texts: "Texts") -> Iterator[Finding]:
        from nmt_ablation.analysis.texts import interval

        sources = [Counter(texts.words(line)) for line in texts.sources]
        counted = {
            "translations": _counts(texts.hypotheses, sources, texts.words),
            "references": _counts(texts.references, sources, texts.words),
        }
        for place, counts in counted.items():
            value = float(_share(counts.sum(0)))
            yield Finding(
                "words that are in the source, in %",
                place,
                value,
                interval=interval(counts, _share),
            )
        lengths = np.column_stack([it[:, 2] for it in counted.values()])
        value = float(_ratio(lengths.sum(0)))
        yield Finding(
            "words for each word of the references",
            "translations",
            value,
            interval=interval(lengths, _ratio),
        )


def _counts(
    lines: Sequence[str], sources: Sequence[Counter[str]], words: Callable[[str], list[str]]
) -> "Counts":
    """Count words: sentences x (of letters and in the source, of letters, all)."""
    found = []
    for line, source in zip(lines, sources, strict=True):
        own = Counter(words(line))
        letters = Counter({word: number for word, number in own.items() if word.isalpha()})
        found.append(((letters & source).total(), letters.total(), own.total()))
    return np.array(found, np.int64).reshape(-1, 3)


def _share(sums: "Counts") -> NDArray[np.float64]:
    return 100 * sums[..., 0] / np.maximum(sums[..., 1], 1)


def _ratio(sums: "Counts") -> NDArray[np.float64]:
    return sums[..., 0] / np.maximum(sums[..., 1], 1)
