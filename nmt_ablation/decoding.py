"""Translate sentences with a trained cell, by fairseq's beam search."""

from collections.abc import Iterator
from pathlib import Path

import torch
from fairseq import checkpoint_utils, utils
from fairseq.data import data_utils

from nmt_ablation.experiment import Decoding
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.workspace import Tick

BATCH_TOKENS = 4000


def translate(
    sentences: list[str],
    checkpoint: Path,
    data: Path,
    segmenters: tuple[Segmenter, Segmenter],
    decoding: Decoding,
    threads: int,
    tick: Tick,
) -> list[str]:
    """Hypotheses of sentences, detokenised, in their order.

    `data` is the data-bin the cell was trained on, for its dictionaries. No vectors are needed.
    """
    import nmt_ablation.training.plugin  # noqa: F401  (its task, and what may be unpickled)

    torch.set_num_threads(threads)
    models, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(checkpoint)], arg_overrides={"data": str(data)}
    )
    source_dictionary, target_dictionary = task.source_dictionary, task.target_dictionary
    longest = models[0].encoder.max_positions() - 1
    encoded = [
        source_dictionary.encode_line(
            " ".join(segmenters[0].encode(sentence)[:longest]), add_if_not_exist=False
        ).long()
        for sentence in sentences
    ]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for model in models:
        model.eval().to(device)
    generator = task.build_generator(
        models, _Search(beam=decoding.beam, lenpen=decoding.length_penalty)
    )
    hypotheses = [""] * len(sentences)
    done = 0
    for batch in _batches([len(tokens) for tokens in encoded]):
        tokens = data_utils.collate_tokens(
            [encoded[i] for i in batch], source_dictionary.pad(), left_pad=True
        ).to(device)
        lengths = torch.tensor([len(encoded[i]) for i in batch], device=device)
        sample = {"net_input": {"src_tokens": tokens, "src_lengths": lengths}}
        for i, found in zip(batch, task.inference_step(generator, models, sample), strict=True):
            if found:
                best = utils.strip_pad(found[0]["tokens"].cpu(), target_dictionary.pad())
                text = target_dictionary.string(best).split()
                hypotheses[i] = segmenters[1].decode(text)
        done += len(batch)
        tick(done, len(sentences))
    return hypotheses


class _Search:
    """The options of fairseq's generator that differ from its defaults."""

    max_len_a, max_len_b = 1.2, 10

    def __init__(self, beam: int, lenpen: float) -> None:
        self.beam, self.lenpen = beam, lenpen


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Sentences of like length together, longest first, within a bound on padded tokens."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
