"""The validation set, which decides when training ends and which checkpoint is best."""

import math
from typing import Any

import torch
from fairseq import utils
from sacrebleu.metrics.bleu import BLEU
from torch import Tensor

from nmt_ablation.model.transformer import losses
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.training.config import Training
from nmt_ablation.translation.engine import engine_of

UNKNOWN_HYPOTHESIS, UNKNOWN_REFERENCE = "UNKNOWN-HYPOTHESIS", "UNKNOWN-REFERENCE"
"""Words in place of unknown tokens. They differ, so that unknown tokens never match."""


class ValidationSet:
    """The validation set, on which models of one shape are scored.

    Args:
        task: fairseq's translation task.
        longest: the most tokens that a model takes; longer pairs are left out of the loss.
        segmenter: the target side's segmenter, to turn tokens into text.
        bleu_tokenizer: sacreBLEU's tokenizer.
    """

    def __init__(
        self, task: Any, longest: int, training: Training, segmenter: Segmenter, bleu_tokenizer: str
    ) -> None:
        self.training, self.segmenter = training, segmenter
        self.metric = BLEU(tokenize=bleu_tokenizer)
        self.dictionaries = task.source_dictionary, task.target_dictionary
        task.load_dataset("valid")
        dataset = task.dataset("valid")
        limit = min(longest, 4 * training.batch_tokens)
        indices, _ = dataset.filter_indices_by_size(dataset.ordered_indices(), (limit, limit))
        batches = dataset.batch_by_size(indices, max_tokens=4 * training.batch_tokens)
        self.batches = [dataset.collater([dataset[i] for i in batch]) for batch in batches]
        pairs = [dataset[i] for i in range(len(dataset))]
        self.sources = [self._tokens(0, pair["source"]) for pair in pairs]
        self.references = [
            self._text(self._tokens(1, pair["target"]), UNKNOWN_REFERENCE) for pair in pairs
        ]

    def loss(self, model: Any) -> float | None:
        """Return the mean negative log-likelihood of a token, in bits; None if it is not
        finite."""
        total, count = 0.0, 0
        for batch in self.batches:
            total += float(batch_losses([model], batch, self.dictionaries[1], self.training)[1])
            count += batch["ntokens"]
        mean = total / math.log(2) / count
        return mean if math.isfinite(mean) else None

    def bleu(self, model: Any) -> float:
        """Return the BLEU of greedy translations, as text."""
        engine = engine_of(model, *self.dictionaries, self.training.threads)
        found = engine.translate(self.sources, beam=1, length_penalty=1, progress=lambda *_: None)
        hypotheses = [self._text(tokens, UNKNOWN_HYPOTHESIS) for tokens in found]
        score: float = self.metric.corpus_score(hypotheses, [self.references]).score
        return round(score, 2)

    def _tokens(self, side: int, indices: Tensor) -> list[str]:
        """Return a sentence's tokens without its end symbol."""
        dictionary = self.dictionaries[side]
        return [dictionary[index] for index in indices.tolist() if index != dictionary.eos()]

    def _text(self, tokens: list[str], unknown: str) -> str:
        mark = self.dictionaries[1].unk_word
        return self.segmenter.decode([unknown if token == mark else token for token in tokens])


def batch_losses(
    models: list[Any], batch: dict[str, Any], target_dictionary: Any, training: Training
) -> tuple[Tensor, Tensor]:
    """Return the label-smoothed and the plain losses of a fairseq batch, as `losses` does."""
    device = next(models[0].parameters()).device
    batch = utils.apply_to_sample(lambda tensor: tensor.to(device), batch)
    return losses(
        models,
        batch["net_input"]["src_tokens"],
        batch["net_input"]["prev_output_tokens"],
        batch["target"],
        target_dictionary.pad(),
        training.label_smoothing,
        getattr(torch, training.precision),
    )
