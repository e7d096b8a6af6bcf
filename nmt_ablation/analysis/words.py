"""Words: which words of the references a model translates, by frequency and by length of
sentences (after compare-mt, Neubig et al. 2019)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.analysis import Finding, TextAnalysis, bins

if TYPE_CHECKING:
    from nmt_ablation.analysis.texts import Counts, Texts

Sentence = tuple[Counter[str], Counter[str], Counter[str]]
"""The words of a sentence: matched, in the hypothesis, and in the reference."""
ONLY_MORE = "unseen, but in text to pretrain on"


class Words(TextAnalysis):
    """The F1 of words of the test sets: by their frequency in the sample, where words that only the
    text to pretrain on has are a class of their own, and by the length of the reference."""

    title: ClassVar[str] = "Which words are translated"
    shows: ClassVar[str] = (
        "F1 of words in percent, matched within a sentence: of rare and of frequent words, of "
        "words that only the text to pretrain on has, and in short and in long sentences."
    )
    hides: ClassVar[str] = (
        "A word counts wherever it is in the sentence, and a synonym counts as wrong."
    )
    decimals: ClassVar[int] = 1

    def findings(self, texts: "Texts") -> Iterator[Finding]:
        from nmt_ablation.analysis.texts import interval

        sentences = list(_sentences(texts))
        for measure, of in (
            ("F1 in %, by frequency in the sample", _by_frequency(sentences, texts)),
            ("F1 in %, by length of the reference", _by_length(sentences)),
        ):
            for place, counts in of.items():
                if counts[:, 2].any():
                    value = float(_f1(counts.sum(0)))
                    yield Finding(measure, place, value, interval=interval(counts, _f1))


def _by_frequency(sentences: Sequence[Sentence], texts: "Texts") -> "dict[str, Counts]":
    """Count the words of each class: sentences x (matched, in the hypothesis, in the reference)."""
    names = [*bins.names(bins.FREQUENCIES, "times"), ONLY_MORE]

    def class_of(word: str) -> int:
        times = texts.in_sample[word]
        if not times and texts.in_more[word]:
            return len(names) - 1
        return bins.class_of(times, bins.FREQUENCIES)

    known: dict[str, int] = {}
    counts = np.zeros((len(names), len(sentences), 3), np.int64)
    for at, matched in enumerate(sentences):
        for kind, of in enumerate(matched):
            for word, number in of.items():
                if word not in known:
                    known[word] = class_of(word)
                counts[known[word], at, kind] += number
    return dict(zip(names, counts, strict=True))


def _by_length(sentences: Sequence[Sentence]) -> "dict[str, Counts]":
    names = bins.names(bins.LENGTHS, "words")
    counts = np.zeros((len(names), len(sentences), 3), np.int64)
    for at, matched in enumerate(sentences):
        numbers = [of.total() for of in matched]
        counts[bins.class_of(numbers[2], bins.LENGTHS), at] = numbers
    return dict(zip(names, counts, strict=True))


def _sentences(texts: "Texts") -> Iterator[Sentence]:
    for hypothesis, reference in zip(texts.hypotheses, texts.references, strict=True):
        made, wanted = (Counter(texts.words(line)) for line in (hypothesis, reference))
        yield made & wanted, made, wanted


def _f1(sums: "Counts") -> NDArray[np.float64]:
    """Return F1 in percent, of sums whose last axis is matched, hypothesis, reference."""
    found: NDArray[np.float64] = 200 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)
    return found
