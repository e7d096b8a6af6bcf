"""Where text comes from, how it is cleaned, and what of it is held out."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from nmt_ablation.values import Block, NotNegative, Pair, Positive, Share, keys_of


class CorpusVersion(Block):
    """One OPUS corpus at one pinned version, written `Name/version`."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value.count("/") != 1:
                raise PydanticCustomError(
                    "corpus",
                    "'{value}' is no corpus; write Name/version, e.g. NeuLab-TedTalks/v1",
                    {"value": value},
                )
            name, version = value.split("/")
            return {"name": name, "version": version}
        return value

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class MonolingualCorpus(Block):
    """Where text in each of the two languages comes from: `Name/version`, or a mapping."""

    corpus: CorpusVersion
    pair: Pair | None = None
    """The two languages as this corpus spells them, where it differs: `fa-zh_cn`."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"corpus": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return f"{self.corpus} {self.pair}" if self.pair else f"{self.corpus}"


class ParallelCorpus(MonolingualCorpus):
    """Where sentence pairs come from: `Name/version`, or a mapping where more is to be said."""

    format: Literal["moses", "xml"] = "moses"
    """Moses is a file of lines for each side; xml is documents and their sentence alignment."""
    min_score: Annotated[float, Field(strict=True)] | None = None
    """Pairs that the corpus itself scores lower are dropped (CCMatrix and NLLB have scores)."""

    @model_validator(mode="after")
    def _scored(self) -> "ParallelCorpus":
        if self.min_score is not None and self.format != "moses":
            raise ValueError("min_score needs format moses")
        return self


class OwnText(Block):
    """Text that isn't OPUS's: a file for each side, a line each, packed by gzip or not. Relative
    paths start at the data folder. Of parallel text, lines of the same number are a pair."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} {self.target}"


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


class Corpora(Block):
    parallel: Annotated[list[Parallel], Field(min_length=1)]
    """Where sentence pairs come from. The first also supplies what is held out of the pool, and of
    duplicates the earlier corpus's is kept."""
    monolingual: list[Monolingual] = Field([])
    """Where text for vectors and segmentation comes from."""

    def of_opus(self) -> list[MonolingualCorpus]:
        """All that comes from there."""
        return [it for it in (*self.parallel, *self.monolingual) if not isinstance(it, OwnText)]


class Cleaning(Block):
    max_tokens: Positive = 100
    """Pairs with a side of more whitespace-separated tokens are dropped."""
    max_characters: Positive = 1000
    """Pairs with a side of more characters are dropped."""
    max_ratio: Annotated[float, Field(strict=True, ge=1)] = 4.0
    """Pairs whose sides differ in bytes of UTF-8 by more than this factor are dropped."""
    min_letters: Share = 0.5
    """Pairs with a side of which a smaller share is letters are dropped."""
    min_native: Share = 0.5
    """Pairs with a side that is to a smaller share in its language's script are dropped."""
    min_language_probability: Share | None = None
    """Pairs with a side that py3langid takes, with this probability, for another language are
    dropped. It looks at some thousand lines a second."""
    unicode: Literal["NFC", "NFKC", "none"] = "NFC"
    """The form that all text is brought to, but for the references of the test set."""


class HeldOutSet(Block):
    """Pairs set aside: so many from the first parallel corpus, and those of a pair of files or of a
    test set that sacreBLEU knows."""

    pairs: NotNegative = 0
    """How many pairs are taken from the first of the parallel corpora, by keyed hashes."""
    sacrebleu: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*$")] | None = None
    """The name of one of sacreBLEU's test sets, e.g. wmt20."""
    source: str | None = None
    """A file of source sentences, one a line; relative paths start at the data folder."""
    target: str | None = None
    """A file of the same sentences in the target language."""

    @model_validator(mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return {"pairs": value} if isinstance(value, int) else value

    @model_validator(mode="after")
    def _something(self) -> "HeldOutSet":
        if (self.source is None) != (self.target is None):
            raise ValueError("give both source and target, or neither")
        if self.source is not None and self.sacrebleu is not None:
            raise ValueError("give source and target files, or the name of a set, not both")
        if self.pairs == 0 and self.source is None and self.sacrebleu is None:
            raise ValueError(
                "an empty set; give a number of pairs, source and target files, or sacrebleu"
            )
        return self


class HeldOut(Block):
    valid: HeldOutSet
    """Decides when training ends and which checkpoint is kept."""
    test: HeldOutSet
    """Decides the score, once."""
