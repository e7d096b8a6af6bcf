"""The base of whatever translates: batches of alike length, and what came of broken models."""

from collections.abc import Iterator, Sequence
from typing import Any

from nmt_ablation.progress import OnProgress

BATCH_SENTENCES = 64
GROWTH = 1.2
"""fairseq's bound of a hypothesis's length: so many times the source's, and a few tokens more."""
MORE_TOKENS = 10


def longest_hypothesis(tokens: int) -> int:
    """Return the most tokens of a batch's hypotheses.

    Args:
        tokens: the tokens of its longest source, with the end.
    """
    return int(GROWTH * tokens + MORE_TOKENS)


class Translator:
    """A model, ready to translate.

    Args:
        model: a fairseq Transformer.
    """

    def __init__(self, model: Any) -> None:
        self.broken = not all(bool(weight.isfinite().all()) for weight in model.parameters())
        self.longest = model.max_positions()[0] - 1

    def translate(
        self, sentences: list[list[str]], beam: int, length_penalty: float, progress: OnProgress
    ) -> list[list[str]]:
        """Return the best hypothesis of each sentence, all in tokens.

        A model whose weights are not all finite gives empty hypotheses.
        """
        return [it[0] for it in self.ranked(sentences, beam, length_penalty, 1, progress)]

    def ranked(
        self,
        sentences: list[list[str]],
        beam: int,
        length_penalty: float,
        number: int,
        progress: OnProgress,
    ) -> list[list[list[str]]]:
        """Return the best hypotheses of each sentence, the best first.

        Args:
            number: hypotheses of each sentence; no more than the beam.
        """
        hypotheses: list[list[list[str]]] = [[[]] * number for _ in sentences]
        if self.broken:
            return hypotheses
        by_length = sorted(range(len(sentences)), key=lambda i: -len(sentences[i]))
        batches = [
            [sentences[i][: self.longest] for i in by_length[start : start + BATCH_SENTENCES]]
            for start in range(0, len(by_length), BATCH_SENTENCES)
        ]
        results = self.search(batches, beam, length_penalty, number)
        for done, (i, best) in enumerate(zip(by_length, results, strict=True)):
            hypotheses[i] = best
            progress(done + 1, len(sentences))
        return hypotheses

    def search(
        self, batches: Sequence[list[list[str]]], beam: int, length_penalty: float, number: int
    ) -> Iterator[list[list[str]]]:
        """Yield the best hypotheses of each sentence, in order.

        Args:
            batches: sentences that are searched together, the longest of each batch first.
            number: hypotheses of each sentence.
        """
        raise NotImplementedError
