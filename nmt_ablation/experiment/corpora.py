"""The corpora of an experiment: sentence pairs, and text for pretraining and segmentation."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator

from nmt_ablation.corpus.config import OwnText, TextFile
from nmt_ablation.opus.corpora import CorpusVersion, MonolingualCorpus, ParallelCorpus, TextCorpus
from nmt_ablation.values import SIDES, Block, Name, Pair, Side, keys_of


def _kind_of_corpus(value: Any) -> str:
    return "own" if {"source", "target"} & keys_of(value) else "opus"


Parallel = Annotated[
    Annotated[ParallelCorpus, Tag("opus")] | Annotated[OwnText, Tag("own")],
    Discriminator(_kind_of_corpus),
]
Monolingual = Annotated[
    Annotated[MonolingualCorpus, Tag("opus")] | Annotated[OwnText, Tag("own")],
    Discriminator(_kind_of_corpus),
]


OneSided = Annotated[
    Annotated[TextCorpus, Tag("opus")] | Annotated[TextFile, Tag("own")],
    Discriminator(lambda value: "own" if "file" in keys_of(value) else "opus"),
]


class SideTexts(Block):
    """Corpora of text in one language, for each side."""

    source: list[OneSided] = Field(default=[])
    """Corpora or files in the source language."""
    target: list[OneSided] = Field(default=[])
    """Corpora or files in the target language."""

    @model_validator(mode="after")
    def _something(self) -> "SideTexts":
        if not self.source and not self.target:
            raise ValueError("name corpora under source, under target, or under both")
        return self


def _form_of_monolingual(value: Any) -> str:
    if value == "rest":
        return "rest"
    return "both" if isinstance(value, list) else "sides"


class Further(Block):
    """Sentence pairs that networks may learn from. No sample has them."""

    parallel: Annotated[list[Parallel], Field(min_length=1)]
    """Corpora of sentence pairs, without any pair that has a side in common with the pool or a
    held-out set."""
    pair: Pair | None = None
    """The languages of the pairs, if they aren't the experiment's: `es-en`."""


class Corpora(Block):
    """The text of an experiment."""

    parallel: Annotated[list[Parallel], Field(min_length=1)]
    """Corpora of sentence pairs. The first also supplies the held-out pairs. Among duplicates, the
    pair of the earliest corpus is kept."""
    monolingual: Annotated[
        Annotated[list[Monolingual], Tag("both")]
        | Annotated[SideTexts, Tag("sides")]
        | Annotated[Literal["rest"], Tag("rest")],
        Discriminator(_form_of_monolingual),
    ] = Field(default=[])
    """Text for pretraining and segmentation: corpora with both languages; corpora of each language,
    under `source` and `target`; or `rest`, the two sides of the pool's pairs that no sample
    holds."""
    further: dict[Name, Further] = Field(default={}, exclude_if=lambda value: not value)
    """Sentence pairs beside the pool, by names of the user's own: of another domain, or of another
    pair of languages."""

    def of_opus(self) -> list[CorpusVersion]:
        """Return all corpora that come from OPUS."""
        texts = [text for side in SIDES for text in self.texts(side)]
        pairs = [
            *self.parallel,
            *(it for further in self.further.values() for it in further.parallel),
        ]
        named = [it for it in (*pairs, *texts) if not isinstance(it, OwnText | TextFile)]
        return list(dict.fromkeys(it.corpus for it in named))

    def texts(self, side: Side) -> list[TextCorpus | TextFile]:
        """Return the corpora of one side's text; none for `rest`."""
        if isinstance(self.monolingual, SideTexts):
            return list(self.monolingual.source if side == "source" else self.monolingual.target)
        if self.monolingual == "rest":
            return []
        return [_of_side(corpus, side) for corpus in self.monolingual]

    def text_sides(self) -> tuple[Side, ...]:
        """Return the sides that have monolingual text."""
        if self.monolingual == "rest":
            return SIDES
        return tuple(side for side in SIDES if self.texts(side))

    def pinned(self, version: Callable[[CorpusVersion, str | None], CorpusVersion]) -> "Corpora":
        """Return the same corpora at other versions.

        Args:
            version: a function of a corpus and of its own spelling of its languages, or None if
                the spelling is the experiment's.
        """

        def pin(corpus: Corpus) -> Corpus:
            if isinstance(corpus, OwnText | TextFile):
                return corpus
            versioned: Any = corpus
            spelled = versioned.language if isinstance(corpus, TextCorpus) else versioned.pair
            pinned = version(versioned.corpus, spelled)
            found: Corpus = versioned.model_copy(update={"corpus": pinned})
            return found

        parallel = list(map(pin, self.parallel))
        further = {
            name: it.model_copy(update={"parallel": list(map(pin, it.parallel))})
            for name, it in self.further.items()
        }
        monolingual: Any = self.monolingual
        if isinstance(monolingual, SideTexts):
            monolingual = SideTexts(
                source=list(map(pin, monolingual.source)), target=list(map(pin, monolingual.target))
            )
        elif monolingual != "rest":
            monolingual = list(map(pin, monolingual))
        return self.model_copy(
            update={"parallel": parallel, "monolingual": monolingual, "further": further}
        )


Corpus = TypeVar("Corpus", bound=MonolingualCorpus | OwnText | TextCorpus | TextFile)


def _of_side(corpus: MonolingualCorpus | OwnText, side: Side) -> TextCorpus | TextFile:
    at = SIDES.index(side)
    if isinstance(corpus, OwnText):
        return TextFile(file=(corpus.source, corpus.target)[at])
    language = corpus.pair.split("-")[at] if corpus.pair else None
    return TextCorpus(corpus=corpus.corpus, language=language)
