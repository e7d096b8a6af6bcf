"""Retrieval of translations by a published encoder, layer by layer.

The nearest neighbour of a sentence among all sentences of the other language, by the cosine of mean
states, is its translation or isn't (Artetxe and Schwenk 2019). An encoder that doesn't know a
language is seen so before it is blamed.
"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerModel, base_architecture
from torch import Tensor
from torch.nn import functional as F

from nmt_ablation.foreign.start import SYMBOLS, encoder_of
from nmt_ablation.foreign.tokenizer import EncoderTokenizer
from nmt_ablation.foreign.weights import Weights
from nmt_ablation.model.config import LEARNED_POSITIONS
from nmt_ablation.model.settings import settings_of
from nmt_ablation.model.transformer import layer_states
from nmt_ablation.progress import OnProgress

SENTENCES = 32
"""Sentences whose states are computed at once."""


def retrieval(
    folder: Path, source: Sequence[str], target: Sequence[str], progress: OnProgress
) -> list[tuple[float, float]]:
    """Return the precision at 1 by the embeddings and by each layer of a published encoder, from
    source to target and back.

    Args:
        folder: the files of the published model.
        source: sentences, of which those beyond the encoder's positions are cut.
        target: their translations.

    Raises:
        UserError: the model has no encoder, or is damaged.
    """
    tokenizer = EncoderTokenizer(folder)
    cut = [
        [tokenizer.encode(line)[: LEARNED_POSITIONS - 1] for line in lines]
        for lines in (source, target)
    ]
    dictionary = Dictionary()
    for token in dict.fromkeys(token for lines in cut for line in lines for token in line):
        dictionary.add_symbol(token)
    encoder = _encoder(folder, tokenizer, dictionary)
    whole, done, found = sum(map(len, cut)), 0, []
    for lines in cut:
        vectors = []
        for some in _batches(lines):
            vectors.append(_vectors(encoder, [_indices(line, dictionary) for line in some]))
            done += len(some)
            progress(done, whole)
        found.append(torch.cat(vectors, 1))
    return [
        (_precision(one @ other.T), _precision(other @ one.T))
        for one, other in zip(*found, strict=True)
    ]


def _encoder(folder: Path, tokenizer: EncoderTokenizer, dictionary: Any) -> Any:
    """Return fairseq's encoder with a published model's weights."""
    shape = encoder_of(folder)
    settings = Namespace(**settings_of(shape))
    base_architecture(settings)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    model: Any = TransformerModel.build_model(settings, task).eval().requires_grad_(False)
    weights = Weights(folder)
    rows = [tokenizer.row(names) or 0 for names in SYMBOLS]
    rows += [tokenizer.rows.get(token, rows[3]) for token in dictionary.symbols[len(SYMBOLS) :]]
    state = model.state_dict()
    for name, weight in weights.family.weights(weights, "encoder", rows).items():
        own = state[name]
        own[: len(weight)] = weight[: len(own)]  # of positions there may be more or fewer
    return model.encoder


def _batches(lines: Sequence[list[str]]) -> Iterator[Sequence[list[str]]]:
    for start in range(0, len(lines), SENTENCES):
        yield lines[start : start + SENTENCES]


def _indices(line: Sequence[str], dictionary: Any) -> Tensor:
    return torch.tensor([*map(dictionary.index, line), dictionary.eos()])


def _vectors(encoder: Any, sentences: Sequence[Tensor]) -> Tensor:
    """Return the directions of sentences' mean states: layers x sentences x dimension."""
    padding = encoder.padding_idx
    tokens = torch.nn.utils.rnn.pad_sequence(list(sentences), True, padding)
    states = layer_states(encoder, tokens, padding, torch.float32, "all")
    there = (tokens != padding)[None, :, :, None]
    return F.normalize((states * there).sum(2), dim=2)


def _precision(similarity: Tensor) -> float:
    """Return the share of rows whose largest entry is on the diagonal."""
    right = similarity.argmax(1) == torch.arange(len(similarity))
    return float(right.float().mean())
