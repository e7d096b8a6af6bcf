"""A trained model and its start, with the sentences that it is measured on."""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from fairseq import utils
from torch import Tensor
from torch.nn import functional as F

from nmt_ablation.errors import UserError
from nmt_ablation.model import checkpoint
from nmt_ablation.progress import OnProgress
from nmt_ablation.transfer.features import attach
from nmt_ablation.transfer.start import Transfer, fold
from nmt_ablation.translation.engine import load, model_of, opened
from nmt_ablation.values import Side

SENTENCES = 32
"""Sentences that are computed at once."""
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Predictions:
    """A model's success in predicting target tokens."""

    bits: float
    """The loss, in bits for each token."""
    right: float
    """The share of tokens that are more likely than any other, in percent."""


@dataclass(frozen=True)
class Subject:
    """A trained model, its start, and sentence pairs of the validation set."""

    trained: Path
    """The checkpoint of the trained model."""
    data: Path
    """The folder that fairseq calls data-bin."""
    transfer: Transfer
    """The arm's start."""
    updates: int
    """The budget of its training."""
    initial_weights: str
    """The digest of the model as it was drawn, before anything started from something."""
    baseline: Path | None
    """The checkpoint of the baseline's model of the same size and seed; None if it isn't needed, or
    is this one."""
    most: int
    """The most sentence pairs to use, from the start of the validation set."""
    progress: OnProgress
    threads: int

    def __post_init__(self) -> None:
        torch.set_num_threads(self.threads)

    @cached_property
    def model(self) -> Any:
        """The trained model, a fairseq Transformer."""
        return model_of(*self._opened).eval()

    @cached_property
    def other(self) -> Any:
        """The baseline's model of the same size and seed, where there is another one."""
        return self.baseline and load(self.baseline, self.data)[0].eval()

    @cached_property
    def weights(self) -> Weights:
        """The weights of the trained model."""
        weights: Weights = self._opened[0]["model"]
        return weights

    def with_weights(self, weights: Weights) -> Any:
        """Return a copy of the model with other weights."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(weights)
        return model

    @cached_property
    def drawn(self) -> Weights:
        """The weights of the model as it was drawn, which all arms of a size and seed share."""
        weights: Weights = self._drawn().state_dict()
        return weights

    @cached_property
    def start(self) -> Weights:
        """The weights that training began with: those drawn, and those of what parts start from."""
        model = self._drawn()
        self.transfer.apply(model, self.updates)
        for fed in self.transfer.features:
            with utils.set_torch_seed(fed.seed):
                network = self.task.build_model(fed.settings(self._settings.model))
            attach(model, fed, network)
        return fold(model.state_dict())

    @property
    def task(self) -> Any:
        """fairseq's translation task, which has the dictionaries."""
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[dict[str, Any], Any]:
        return opened(self.trained, self.data)

    @property
    def _settings(self) -> Any:
        """fairseq's settings of the training."""
        return self._opened[0]["cfg"]

    def _drawn(self) -> Any:
        """Return the model as it was drawn.

        Raises:
            UserError: this version of torch draws another one.
        """
        with utils.set_torch_seed(self._settings.common.seed):
            model = self.task.build_model(self._settings.model)
        if checkpoint.digest_of_weights(model.state_dict()) != self.initial_weights:
            raise UserError(
                f"{self.trained}: its first weights can't be drawn again with torch "
                f"{torch.__version__}; install the version that trained it, or train it again"
            )
        return model

    def dictionary(self, side: Side) -> Any:
        """Return fairseq's dictionary of a side."""
        return self.task.source_dictionary if side == "source" else self.task.target_dictionary

    def sample(self, side: Side) -> Any:
        """Return a side of the pairs that the model was trained on, as tensors of indices."""
        self.task.load_dataset("train")
        pairs = self.task.dataset("train")
        return pairs.src if side == "source" else pairs.tgt

    def embeddings(self, side: Side, weights: Weights) -> Tensor:
        """Return the embeddings of a side among some weights: tokens x dimension."""
        return weights[f"{'encoder' if side == 'source' else 'decoder'}.embed_tokens.weight"]

    @cached_property
    def batches(self) -> list[dict[str, Any]]:
        """The sentence pairs, in fairseq's batches. Those longer than the model takes are left
        out."""
        self.task.load_dataset("valid")
        dataset, longest = self.task.dataset("valid"), min(self.model.max_positions())
        fitting = [at for at in range(len(dataset)) if max(dataset.size(at)) <= longest]
        fitting = fitting[: self.most]
        return [
            dataset.collater([dataset[at] for at in fitting[start : start + SENTENCES]])
            for start in range(0, len(fitting), SENTENCES)
        ]

    def states(self, model: Any) -> Iterator[dict[str, Tensor]]:
        """Yield the states of each layer for a batch of sentences: tokens x dimension, by the
        layer's name. Layer 0 is what enters the first layer.

        Args:
            model: a model of this subject's dictionaries.
        """
        padding = self.task.target_dictionary.pad()
        for done, batch in enumerate(self.batches, 1):
            inputs = batch["net_input"]
            source, previous = inputs["src_tokens"], inputs["prev_output_tokens"]
            with torch.inference_mode():
                encoded = model.encoder(source, inputs["src_lengths"], return_all_hiddens=True)
                _, decoded = model.decoder.extract_features(previous, encoded)
            of_stacks = {
                "encoder": (encoded["encoder_states"], source != padding),
                "decoder": (decoded["inner_states"], previous != padding),
            }
            yield {
                f"{stack} {layer}": states.transpose(0, 1)[there]
                for stack, (all_states, there) in of_stacks.items()
                for layer, states in enumerate(all_states)
            }
            self.progress(done, len(self.batches))

    def sentence_vectors(self, side: Side) -> dict[str, Tensor]:
        """Return the mean of each sentence's states by the model's encoder: sentences x dimension,
        by the layer's name.

        Args:
            side: the side of the sentences; the target side needs the source side's dictionary.
        """
        padding, found = self.task.source_dictionary.pad(), dict[str, list[Tensor]]()
        for batch in self.batches:
            tokens = batch["net_input"]["src_tokens"] if side == "source" else batch["target"]
            there = tokens != padding
            with torch.inference_mode():
                encoded = self.model.encoder(tokens, there.sum(1), return_all_hiddens=True)
            for layer, states in enumerate(encoded["encoder_states"]):
                own = (states.transpose(0, 1) * there.unsqueeze(-1)).sum(1) / there.sum(1, True)
                found.setdefault(f"encoder {layer}", []).append(own)
        return {layer: torch.cat(batches) for layer, batches in found.items()}

    def predictions(self, weights: Weights) -> Predictions:
        """Return how well each target token of the sentences is predicted from those before it.

        Args:
            weights: the model's weights.
        """
        model, padding = self.with_weights(weights), self.task.target_dictionary.pad()
        nats, right, tokens = 0.0, 0, 0
        for batch in self.batches:
            with torch.inference_mode():
                scores, _ = model(**batch["net_input"])
                wanted = batch["target"]
                there = wanted != padding
                scores, wanted = scores[there].float(), wanted[there]
                nats += float(F.cross_entropy(scores, wanted, reduction="sum"))
            right += int((scores.argmax(1) == wanted).sum())
            tokens += len(wanted)
        return Predictions(nats / math.log(2) / tokens, 100 * right / tokens)
