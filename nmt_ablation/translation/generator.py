"""Translation by fairseq's own search, for models that CTranslate2 can't express."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from fairseq import utils
from fairseq.data import data_utils
from fairseq.models import FairseqDecoder, FairseqEncoder, FairseqEncoderDecoderModel
from fairseq.sequence_generator import SequenceGenerator

from nmt_ablation.transfer.features import Features, features_of
from nmt_ablation.translation.translator import GROWTH, MORE_TOKENS, Translator


class Generator(Translator):
    """A model with features, ready to translate.

    Args:
        model: a fairseq Transformer with features.
        source: the source dictionary.
        target: the target dictionary.
    """

    def __init__(self, model: Any, source: Any, target: Any) -> None:
        self.model, self.source, self.target = model, source, target
        super().__init__(model)

    def search(
        self, batches: Sequence[list[list[str]]], beam: int, length_penalty: float, number: int
    ) -> Iterator[list[list[str]]]:
        model = self.model.eval()
        device = next(model.parameters()).device
        encoder, decoder = model.encoder, model.decoder
        for features in features_of(model):
            if features.fed.side == "target":
                decoder = _Whole(decoder)
            if features.fed.fused:
                encoder = WithFeatures(encoder, features)
        model = FairseqEncoderDecoderModel(encoder, decoder)
        search = SequenceGenerator(
            [model],
            self.target,
            beam_size=beam,
            max_len_a=GROWTH,
            max_len_b=MORE_TOKENS,
            len_penalty=length_penalty,
        )
        for batch in batches:
            rows = [self._indices(sentence) for sentence in batch]
            tokens = data_utils.collate_tokens(rows, self.source.pad(), self.source.eos())
            lengths = torch.tensor([len(row) for row in rows])
            inputs = {"src_tokens": tokens, "src_lengths": lengths}
            sample = utils.apply_to_sample(lambda it: it.to(device), {"net_input": inputs})
            with torch.no_grad():
                found = search.generate([], sample)
            for ranked in found:
                yield [self._tokens(it["tokens"]) for it in ranked[:number]]

    def _tokens(self, indices: torch.Tensor) -> list[str]:
        return [self.target[it] for it in indices.tolist() if it != self.target.eos()]

    def _indices(self, sentence: list[str]) -> torch.Tensor:
        known = [self.source.index(token) for token in sentence]
        return torch.tensor([*known, self.source.eos()])


class WithFeatures(FairseqEncoder):  # type: ignore[misc]
    """An encoder whose states have features behind them, so that a search keeps both in order."""

    def __init__(self, encoder: Any, features: Features) -> None:
        super().__init__(encoder.dictionary)
        self.whole, self.features = encoder, features

    def forward(self, src_tokens: torch.Tensor, src_lengths: torch.Tensor | None = None) -> Any:
        found, fed = self.whole(src_tokens, src_lengths), self.features.states
        assert fed is not None, "features come with the embeddings"
        return {**found, "encoder_out": [torch.cat([*found["encoder_out"], fed], 2)]}

    def reorder_encoder_out(self, encoder_out: Any, new_order: torch.Tensor) -> Any:
        return self.whole.reorder_encoder_out(encoder_out, new_order)

    def max_positions(self) -> int:
        longest: int = self.whole.max_positions()
        return longest


class _Whole(FairseqDecoder):  # type: ignore[misc]
    """A decoder that reads the whole prefix at each step, which features of its side need."""

    def __init__(self, decoder: Any) -> None:
        super().__init__(decoder.dictionary)
        self.whole = decoder

    def forward(self, previous: torch.Tensor, encoder_out: Any) -> Any:
        return self.whole(previous, encoder_out=encoder_out)

    def max_positions(self) -> int:
        longest: int = self.whole.max_positions()
        return longest
