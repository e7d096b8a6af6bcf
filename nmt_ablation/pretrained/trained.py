"""Vectors trained here, by gensim, on monolingual text or the cell's own sample."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.pretrained.compose import BareWords
from nmt_ablation.pretrained.kind import Built, Given, PretrainedVectors, Problem, Setting, TextName
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.values import SIDES, Positive, Seed, Side


class Trained(PretrainedVectors):
    """Vectors that a model of gensim's learns."""

    model: ClassVar[str]
    """The name of gensim's class."""
    light: ClassVar[bool] = False
    """True if the models of both sides fit into memory at once, for vectors of tokens."""
    version = 3

    text: Literal["monolingual", "sample"] = "monolingual"
    """The training text: all monolingual text, or the cell's own sample. The latter is a control
    without knowledge from outside."""
    lines: Positive | None = None
    """The number of lines that are used, from the start of the text; all if it is None."""
    method: Literal["skipgram", "cbow"] = "skipgram"
    """The model: tokens predict their neighbours (skipgram), or neighbours a token (cbow)."""
    epochs: Positive = 5
    """The number of times that the text is read."""
    window: Positive = 5
    """The number of neighbours on each side, at most."""
    negative: Positive = 5
    """The number of other tokens that each token is told apart from at a time."""
    min_count: Positive = 3
    """Tokens rarer than this get no vector."""
    dimension: Positive | None = None
    """The dimension of the vectors; the NMT model's if it is None."""
    joint: bool = False
    """One set of vectors, trained on the text of both languages together, or one set for each."""
    seed: Seed = 1
    """The seed of everything drawn."""

    @property
    def shared(self) -> bool:
        return self.joint

    def sides(self, setting: Setting) -> tuple[Side, ...]:
        return SIDES if self.text == "sample" else setting.monolingual

    def needed_text(self, setting: Setting) -> TextName:
        return self.text

    def problems(self, setting: Setting) -> Iterator[Problem]:
        yield from super().problems(setting)
        if self.text == "sample":
            return
        if not setting.monolingual:
            yield ("text",), "needs text: name corpora under corpora.monolingual"
        if self.joint and len(setting.monolingual) == 1:
            yield ("joint",), "there is text of one language only; leave joint out"
        if self.unit == "token" and setting.segmentation.fit_on == "sample":
            yield (
                ("text",),
                "the segmentation would differ with each sample, and this text is segmented once; "
                "set segmentation.fit_on to monolingual or pool, or text to sample",
            )

    def parameters(self, setting: Setting) -> dict[str, Any]:
        return super().parameters(setting) | {"dimension": self.dimension or setting.dimension}

    def build(self, given: Given) -> dict[Side, Built]:
        segmenters = given.segmenters if self.unit == "token" else dict.fromkeys(SIDES, BareWords())
        sides = self.sides(given.setting)
        texts = {side: (given.texts[side], segmenters[side]) for side in sides}
        files = {side: given.vectors(side) for side in sides}
        dimension = self.dimension or given.setting.dimension
        if self.joint:
            both = self._train(list(texts.values()), dimension, files["source"], given.progress)
            files["target"].hardlink_to(files["source"])
            return dict.fromkeys(SIDES, both)
        done, telling = dict.fromkeys(sides, 0.0), Lock()

        def train_side(side: Side) -> Built:
            def progress(epochs: float, whole: float) -> None:
                with telling:
                    done[side] = epochs
                    given.progress(sum(done.values()), whole * len(sides))

            return self._train([texts[side]], dimension, files[side], progress)

        # gensim releases the interpreter's lock.
        at_once = 2 if self.light and self.unit == "token" else 1
        with ThreadPoolExecutor(at_once) as both_sides:
            return dict(zip(sides, both_sides.map(train_side, sides), strict=True))

    def _train(
        self,
        texts: Sequence[tuple[Path, Segmenter]],
        dimension: int,
        out: Path,
        progress: OnProgress,
    ) -> Built:
        """Train one set of vectors and write it in word2vec's text format.

        gensim has one thread and a fixed seed, so that the same text gives the same vectors.

        Raises:
            UserError: no token is frequent enough to get a vector.
        """
        from gensim import models
        from gensim.models.callbacks import CallbackAny2Vec

        class Epochs(CallbackAny2Vec):  # type: ignore[misc]
            done = 0

            def on_epoch_end(self, model: object) -> None:
                self.done += 1
                progress(self.done, epochs)

        epochs = self.epochs
        segmented = out.with_suffix(".txt")
        with segmented.open("w", encoding="utf-8", newline="\n") as file:
            for path, segmenter in texts:
                lines = islice(stream_lines(path), self.lines)
                file.writelines(" ".join(segmenter.encode(line)) + "\n" for line in lines)
        try:
            model = getattr(models, self.model)(
                _Lines(segmented),
                vector_size=dimension,
                sg=int(self.method == "skipgram"),
                epochs=self.epochs,
                window=self.window,
                negative=self.negative,
                min_count=self.min_count,
                seed=self.seed,
                workers=1,
                callbacks=[Epochs()],
            )
        except RuntimeError:  # gensim: "you must first build vocabulary before training the model"
            raise UserError(
                f"no token stands {self.min_count} times in the {self.text} text, so none gets a "
                "vector; lower min_count or name more corpora"
            ) from None
        segmented.unlink()
        model.wv.save_word2vec_format(str(out))
        return Built(len(model.wv), dimension, {"tokens_seen": int(model.corpus_total_words)})


class _Lines:
    """Segmented lines, as often as gensim asks for them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[list[str]]:
        for line in stream_lines(self.path):
            yield line.split(" ")
