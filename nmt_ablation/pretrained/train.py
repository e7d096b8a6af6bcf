"""Train vectors on segmented text with gensim (word2vec: Mikolov et al. 2013; fastText:
Bojanowski et al. 2017)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gensim.models import FastText, Word2Vec
from gensim.models.callbacks import CallbackAny2Vec

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import TrainedVectors
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter


class _Text:
    """Segmented lines, as often as gensim asks for them; segmented once, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[list[str]]:
        for line in stream_lines(self.path):
            yield line.split(" ")


class _Epochs(CallbackAny2Vec):  # type: ignore[misc]
    def __init__(self, progress: OnProgress, epochs: int) -> None:
        self.progress, self.epochs, self.done = progress, epochs, 0

    def on_epoch_end(self, model: Word2Vec) -> None:
        self.done += 1
        self.progress(self.done, self.epochs)


def train(
    config: TrainedVectors,
    texts: list[tuple[Path, Segmenter]],
    dimension: int,
    out: Path,
    progress: OnProgress,
) -> dict[str, int]:
    """Train one set of vectors on texts and write it in word2vec's text format.

    One worker and a fixed seed, so that the same text gives the same vectors.

    Raises:
        UserError: no token is frequent enough to get a vector.
    """
    segmented = out.with_suffix(".txt")
    with segmented.open("w", encoding="utf-8", newline="\n") as file:
        for path, segmenter in texts:
            lines = islice(stream_lines(path), config.lines)
            file.writelines(" ".join(segmenter.encode(line)) + "\n" for line in lines)
    try:
        model = (FastText if config.model == "fasttext" else Word2Vec)(
            _Text(segmented),
            vector_size=dimension,
            sg=int(config.method == "skipgram"),
            epochs=config.epochs,
            window=config.window,
            negative=config.negative,
            min_count=config.min_count,
            seed=config.seed,
            workers=1,
            callbacks=[_Epochs(progress, config.epochs)],
        )
    except RuntimeError:  # gensim: "you must first build vocabulary before training the model"
        raise UserError(
            f"no token stands {config.min_count} times in the {config.text} text, so none gets a "
            "vector; lower min_count or name more corpora"
        ) from None
    segmented.unlink()
    model.wv.save_word2vec_format(str(out))
    return {"vectors": len(model.wv), "tokens_seen": int(model.corpus_total_words)}
