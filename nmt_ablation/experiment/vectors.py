"""Tokens, and the vectors that tables may start from."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from nmt_ablation.values import Block, NotNegative, Positive, Seed, keys_of


class Encoder(Block):
    """A multilingual encoder: mBERT, XLM-R or LaBSE."""

    name: str
    """A local directory, or a model of the hub: `owner/name`."""
    revision: str | None = None
    """The full hash of a commit; needed for a model of the hub."""


class SegmentationConfig(Block):
    type: Literal["sentencepiece-unigram", "sentencepiece-bpe", "subword-nmt", "words", "encoder"]
    size: Positive
    """Pieces (sentencepiece), merges (subword-nmt), or most frequent words (words) or pieces of the
    encoder's (encoder)."""
    fit_on: Literal["monolingual", "pool", "sample"]
    """The text it is fitted on: all monolingual text, up to a million pairs of the pool, or the
    sample. All but `sample` is knowledge from outside the sample."""
    joint: bool = True
    """One segmentation and dictionary for both languages, or one for each."""


class Aligning(Block):
    """Turn the source side's vectors into the space of the target side's."""

    lexicon: str
    """`identical` (tokens that both sides have), `induced` (tokens that meet in the sample's
    pairs), or a file with two words a line; relative paths start at the data folder."""
    rounds: NotNegative = 5
    """Of refinement: fit anew to what is nearest."""


class Vectors(Block):
    """A set of vectors for both sides."""

    @property
    def shared(self) -> bool:
        """Whether both sides have the same vectors."""
        return False

    of: Literal["tokens", "words"] = "tokens"
    """Vectors of the dictionary's tokens; or of words, from which those of the tokens are composed:
    the mean over the words that a token stands in."""
    missing: Literal["random", "mean"] = "random"
    """What tokens without a vector start from."""
    align: Aligning | None = None


class TrainedVectors(Vectors):
    """Vectors trained here, with gensim."""

    text: Literal["monolingual", "sample"] = "monolingual"
    """All monolingual text; or the cell's own sample, which is no knowledge from outside: a
    control."""
    lines: Positive | None = None
    """The first so many lines of it in a language; all of them if none are named."""
    model: Literal["word2vec", "fasttext"] = "word2vec"
    """fastText's vectors of a token are sums over its character n-grams."""
    method: Literal["skipgram", "cbow"] = "skipgram"
    epochs: Positive = 5
    window: Positive = 5
    negative: Positive = 5
    min_count: Positive = 3
    """Tokens rarer than this get no vector."""
    width: Positive | None = None
    """Of the vectors, if it is not the model's."""
    joint: bool = False
    """Train one set on both languages' text together, or one for each language."""
    seed: Seed = 1

    @property
    def shared(self) -> bool:
        return self.joint


class FileVectors(Vectors):
    """Pretrained vectors: text as fastText, GloVe, word2vec and MUSE have it, word2vec's binary, or
    fastText's .bin; packed by gzip or not. Relative paths start at the data folder."""

    source: str
    target: str

    @property
    def shared(self) -> bool:
        return self.source == self.target and self.align is None


class EncoderVectors(Block):
    """The rows of the encoder's own table, for its own pieces."""

    encoder: Literal["input"]
    """Its input embeddings."""
    missing: Literal["random", "mean"] = "random"
    """What tokens without a vector start from."""

    @property
    def shared(self) -> bool:
        return True


def _kind_of_vectors(value: Any) -> str:
    keys = keys_of(value)
    if "encoder" in keys:
        return "encoder"
    return "files" if {"source", "target"} & keys else "trained"


VectorSource = Annotated[
    Annotated[TrainedVectors, Tag("trained")]
    | Annotated[FileVectors, Tag("files")]
    | Annotated[EncoderVectors, Tag("encoder")],
    Discriminator(_kind_of_vectors),
]
