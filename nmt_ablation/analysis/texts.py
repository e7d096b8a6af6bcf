"""The test sets with a model's translations, as words."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.corpus.text import stream_lines

LINES = 1_000_000
"""Lines of a text whose words are counted, from its start."""
RESAMPLES = 1000
SEED = 1
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """All test sets, one after another, with a model's translations."""

    sources: Sequence[str]
    references: Sequence[str]
    hypotheses: Sequence[str]
    sample: Path
    """The target side of the sample."""
    more: Path | None
    """Other text of the target language, that things are pretrained on; None if there is none."""
    tokenizer: str
    """sacreBLEU's tokenizer, which makes words."""

    @cached_property
    def words(self) -> Callable[[str], list[str]]:
        """A function that splits a line into words."""
        from sacrebleu.metrics.bleu import BLEU

        tokenizer = BLEU(tokenize=self.tokenizer).tokenizer
        return lambda line: tokenizer(line).split()

    @cached_property
    def in_sample(self) -> Counter[str]:
        """The number of times that each word is in the sample."""
        return self._counted(stream_lines(self.sample))

    @cached_property
    def in_more(self) -> Counter[str]:
        """The number of times that each word is in other text of the target language."""
        return self._counted(stream_lines(self.more) if self.more else ())

    def _counted(self, lines: Iterable[str]) -> Counter[str]:
        return Counter(word for line in islice(lines, LINES) for word in self.words(line))


def interval(counts: Counts, value: Callable[[Counts], NDArray[np.float64]]) -> tuple[float, float]:
    """Return the 95% interval of a value for other test sentences, by a bootstrap.

    Args:
        counts: numbers for each sentence (sentences x numbers).
        value: a function of their sums (... x numbers).
    """
    chance, sentences = np.random.default_rng(SEED), len(counts)
    times = chance.multinomial(sentences, np.full(sentences, 1 / sentences), RESAMPLES)
    low, high = np.percentile(value(times @ counts), [2.5, 97.5])
    return float(low), float(high)
