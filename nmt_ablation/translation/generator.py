"""Translation by fairseq's own search, for models that CTranslate2 can't express."""

from typing import Any

import torch
from fairseq import utils
from fairseq.data import data_utils
from fairseq.models import FairseqDecoder, FairseqEncoderDecoderModel
from fairseq.sequence_generator import SequenceGenerator

from nmt_ablation.progress import OnProgress
from nmt_ablation.transfer.features import features_of

BATCH_SENTENCES = 64


class Generator:
    """A model with features, ready to translate.

    Args:
        model: a fairseq Transformer with features.
        source: the source dictionary.
        target: the target dictionary.
    """

    def __init__(self, model: Any, source: Any, target: Any) -> None:
        self.model, self.source, self.target = model, source, target
        self.broken = not all(bool(weight.isfinite().all()) for weight in model.parameters())
        self.longest = model.max_positions()[0] - 1

    def translate(
        self, sentences: list[list[str]], beam: int, length_penalty: float, progress: OnProgress
    ) -> list[list[str]]:
        """Return the best hypothesis of each sentence, all in tokens.

        A model whose weights are not all finite gives empty hypotheses.
        """
        hypotheses: list[list[str]] = [[] for _ in sentences]
        if self.broken:
            return hypotheses
        model = self.model
        if any(it.fed.side == "target" for it in features_of(model)):
            model = FairseqEncoderDecoderModel(model.encoder, _Whole(model.decoder))
        search = SequenceGenerator(
            [model],
            self.target,
            beam_size=beam,
            # The bound of `engine`, by the length of a batch's longest sentence.
            max_len_a=1.2,
            max_len_b=10,
            len_penalty=length_penalty,
        )
        by_length = sorted(range(len(sentences)), key=lambda at: -len(sentences[at]))
        device, done = next(self.model.parameters()).device, 0
        self.model.eval()
        for start in range(0, len(by_length), BATCH_SENTENCES):
            some = by_length[start : start + BATCH_SENTENCES]
            rows = [self._indices(sentences[at]) for at in some]
            tokens = data_utils.collate_tokens(rows, self.source.pad(), self.source.eos())
            lengths = torch.tensor([len(row) for row in rows])
            inputs = {"src_tokens": tokens, "src_lengths": lengths}
            sample = utils.apply_to_sample(lambda it: it.to(device), {"net_input": inputs})
            with torch.no_grad():
                found = search.generate([], sample)
            for at, ranked in zip(some, found, strict=True):
                indices = ranked[0]["tokens"].tolist()
                hypotheses[at] = [self.target[it] for it in indices if it != self.target.eos()]
            done += len(some)
            progress(done, len(sentences))
        return hypotheses

    def _indices(self, sentence: list[str]) -> torch.Tensor:
        known = [self.source.index(token) for token in sentence[: self.longest]]
        return torch.tensor([*known, self.source.eos()])


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
