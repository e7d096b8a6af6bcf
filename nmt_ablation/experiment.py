"""What an experiment is: the whole question, typed, and the rules its parts have to keep.

Nothing here touches files, corpora, models or the network; `experiment_file` reads one.
"""

import difflib
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

Side = Literal["source", "target"]
SIDES: tuple[Side, Side] = ("source", "target")

# Names become file names and arguments of programs: one plain path component, nothing else.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_LANGUAGE = r"[a-z]{2,3}(_[A-Za-z]{2,4})?"
Pair = Annotated[str, StringConstraints(pattern=f"^{_LANGUAGE}-{_LANGUAGE}$")]
Positive = Annotated[int, Field(strict=True, gt=0)]
NotNegative = Annotated[int, Field(strict=True, ge=0)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**31)]  # what numpy and torch both take
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Rate = Annotated[float, Field(strict=True, gt=0)]
Size = Positive | Annotated[str, StringConstraints(pattern=r"^([1-9]\d*-tokens|all)$")]
"""A number of pairs, of tokens between spaces on the target side (`200000-tokens`), or `all`."""


def parse_size(value: object) -> object:
    """Read `5k`, `1M` and `200k tokens`; leave other types to the type check."""
    if not isinstance(value, str) or value == "all":
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)([ -]tokens)?", value)
    scaled = Decimal(found[1]) * {"k": 1000, "M": 1_000_000, "": 1}[found[2]] if found else None
    if found is None or scaled is None or scaled % 1:
        raise PydanticCustomError(
            "size",
            "'{value}' is no size; write a number of pairs (500, 5k, 1M), of tokens on the target "
            "side (200k tokens), or all",
            {"value": value},
        )
    return f"{int(scaled)}-tokens" if found[3] else int(scaled)


Sizes = Annotated[list[Annotated[Size, BeforeValidator(parse_size)]], Field(min_length=1)]


def size_limit(size: Size) -> tuple[int | None, bool]:
    """How much of the pool a size takes (`None`: all), and whether that counts tokens."""
    if isinstance(size, int):
        return size, False
    return (None, False) if size == "all" else (int(size.removesuffix("-tokens")), True)


class Block(BaseModel):
    """A mapping in the experiment file: frozen, and closed to keys it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    near = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                    hint = f" (did you mean '{near[0]}'?)" if near else ""
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key '{key}'{hint}; allowed: {allowed}",
                        {"key": key, "hint": hint, "allowed": ", ".join(cls.model_fields)},
                    )
        return data


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
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
    return "own" if {"source", "target"} & set(keys) else "opus"


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
    monolingual: list[Monolingual] = []
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
    # What is neither is refused as trained vectors, in their words.
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
    if "encoder" in keys:
        return "encoder"
    return "files" if {"source", "target"} & set(keys) else "trained"


VectorSource = Annotated[
    Annotated[TrainedVectors, Tag("trained")]
    | Annotated[FileVectors, Tag("files")]
    | Annotated[EncoderVectors, Tag("encoder")],
    Discriminator(_kind_of_vectors),
]


Tying = Literal["none", "decoder", "all"]


class Arm(Block):
    """One way to start and tune the embeddings. Without any key both tables start at random and
    learn like the rest of the model."""

    vectors: str | None = None
    """The name of a set of vectors that tables start from."""
    side: Literal["source", "target", "both"] = "both"
    """The tables that the arm speaks of; the other one starts at random, and learns."""
    tuning: Literal["frozen", "finetuned", "thawed"] = "finetuned"
    """Never updated, updated always, or not before `thaw_at`. Frozen without vectors is a control:
    what freezing alone does."""
    thaw_at: Positive | None = None
    """The number of updates for which a thawed table stands still."""
    learning_rate: Rate = 1.0
    """Of the tables, as a multiple of the rest's."""
    scale: Literal["matched", "raw"] = "matched"
    """Vectors of length 1, as random rows have on average, or as they come."""
    dimension: Literal["as-is", "pca", "projection"] = "as-is"
    """Vectors of the model's width; or reduced to it by principal components; or of any width, with
    a projection that is learnt."""
    shuffled: bool = False
    """Give each token the vector of another, by chance: a control with the same numbers, which say
    nothing about words any more."""
    tying: Tying | None = None
    """`model.tying`, if it is not the model's."""
    sizes: Sizes | None = None
    """Those of the experiment's at which it is trained; all of them if none are named."""

    @model_validator(mode="after")
    def _speaks_of_something(self) -> "Arm":
        of_vectors = {"scale", "dimension", "shuffled"} & self.model_fields_set
        if self.vectors is None and of_vectors:
            names = ", ".join(sorted(of_vectors))
            raise ValueError(f"{names}: speaks of vectors, and this arm names none")
        if (self.thaw_at is not None) != (self.tuning == "thawed"):
            raise ValueError("thaw_at goes with tuning: thawed, and that with thaw_at")
        if self.tuning == "frozen" and self.learning_rate != 1:
            raise ValueError("a frozen table has no learning rate")
        if "side" in self.model_fields_set and not self.differs:
            raise ValueError("side speaks of tables that differ, and here neither does")
        return self

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides whose tables the arm speaks of."""
        return SIDES if self.side == "both" else (self.side,)

    @property
    def differs(self) -> bool:
        """Whether there is anything about its tables that a plain model's don't have."""
        return self.vectors is not None or self.tuning != "finetuned" or self.learning_rate != 1

    @property
    def vector_sides(self) -> tuple[Side, ...]:
        """The sides whose table starts from vectors."""
        return self.sides if self.vectors is not None else ()

    @property
    def has_own_parameters(self) -> bool:
        """Whether a table is more than a table: computed from what is learnt."""
        return self.dimension == "projection" or self.learning_rate != 1


READY_MADE: dict[str, dict[str, Any]] = {
    "random": {"vectors": None},
    "finetuned": {},
    "frozen": {"tuning": "frozen"},
    "slow": {"learning_rate": 0.1},
    "source-only": {"side": "source"},
    "target-only": {"side": "target"},
    "raw-scale": {"scale": "raw"},
    "frozen-random": {"vectors": None, "tuning": "frozen"},
    "shuffled": {"shuffled": True},
    "frozen-shuffled": {"shuffled": True, "tuning": "frozen"},
}
"""The usual arms, and the controls, by name; all but those that say otherwise have the one set of
vectors that there is."""


def _ready_made(names: list[Any], vectors: Any) -> dict[str, Any]:
    """Arms of a list of names."""
    sets = list(vectors) if isinstance(vectors, dict) else []
    arms = {}
    for at, name in enumerate(names):
        if name in names[:at]:
            _fail(("arms", at), f"'{name}' stands here twice")
        if not isinstance(name, str) or name not in READY_MADE:
            near = difflib.get_close_matches(str(name), READY_MADE, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            known = ", ".join(READY_MADE)
            _fail(("arms", at), f"no ready-made arm is called '{name}'{hint}; there are: {known}")
        arm = {"vectors": sets[0] if len(sets) == 1 else None} | READY_MADE[name]
        if arm["vectors"] is None and "vectors" not in READY_MADE[name]:
            _fail(
                ("arms", at),
                f"'{name}' has the one set of vectors that there is, and there are {len(sets)}; "
                "write arms as a mapping, and name the vectors of each",
            )
        arms[name] = {key: value for key, value in arm.items() if value is not None}
    return arms


class Model(Block):
    encoder_layers: Positive = 3
    decoder_layers: Positive = 3
    width: Positive = 128
    """Of embeddings and layers; vectors are trained with this dimension."""
    feed_forward: Positive = 512
    heads: Positive = 4
    dropout: Share = 0.3
    tying: Tying = "none"
    """What shares one table: nothing, target side and output layer, or source side too. Only tables
    that learn can be shared."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class Training(Block):
    batch_tokens: Positive = 2048
    """At most so many tokens a batch, padding included, on the longer side."""
    learning_rate: Rate = 0.002
    """At the end of the warm-up; falls with the inverse square root of updates after it, or
    stays where it is if there is no warm-up."""
    warmup_updates: NotNegative = 500
    max_updates: Positive = 10_000
    """The budget. A cell that it ends before patience does is marked in every report."""
    validate_every: Positive = 250
    """Updates between two looks at the valid set; a checkpoint is written at each."""
    patience: Positive = 5
    """Training ends when BLEU on the valid set has not risen for so many looks (greedy search;
    looks that find not a word right don't count)."""
    label_smoothing: Share = 0.1
    clip_norm: Annotated[float, Field(strict=True, ge=0)] = 1.0
    weight_decay: Annotated[float, Field(strict=True, ge=0)] = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of matrix products; weights and the optimiser are in float32 always."""
    threads: Positive = 1
    """Of one training. More would change the rounding, so it is part of the experiment."""
    accumulate: Positive = 1
    """Batches in an update, one after another."""
    processes: Positive = 1
    """That train one model together, each with batches of its own, and a GPU of its own or so many
    threads; on a cluster they may be on several nodes."""

    @model_validator(mode="after")
    def _looked_at(self) -> "Training":
        if self.max_updates < self.validate_every:
            raise ValueError(
                f"max_updates {self.max_updates} ends before the first look at the valid set, at "
                f"{self.validate_every}; lower validate_every"
            )
        return self


class Decoding(Block):
    beam: Positive = 5
    length_penalty: Annotated[float, Field(strict=True)] = 1.0
    precision: Literal["float32", "int8"] = "float32"
    """Of the test set's translation; looks at the valid set are in float32."""


BleuTokenizer = Literal["13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab", "flores200"]


class Scoring(Block):
    bleu_tokenizer: BleuTokenizer = "13a"
    """sacreBLEU's tokenizer for the target language."""


class Experiment(Block):
    """The whole question."""

    name: Name
    pair: str
    """Source and target language, as OPUS spells them: `de-en`."""
    corpora: Corpora
    cleaning: Cleaning = Cleaning()
    held_out: HeldOut
    sizes: Sizes
    """Numbers of training pairs (`5k`, `1M`), or `all` of the pool."""
    seeds: Annotated[list[Seed], Field(min_length=1)]
    """A seed draws the samples, and the weights, batches and dropout of their trainings."""
    encoder: Encoder | None = None
    """Whose tokenizer and input embeddings are used, if any are."""
    segmentation: SegmentationConfig
    vectors: dict[Name, VectorSource] = {}
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    """By names of your own; or a list of ready-made ones: `[random, finetuned, shuffled]`."""
    baseline: str
    """The arm that the others are compared with."""
    contrasts: list[tuple[str, str]] = []
    """Pairs of arms that are compared with each other too: what the first is better by."""
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()
    scoring: Scoring = Scoring()

    @model_validator(mode="before")
    @classmethod
    def _named_arms(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("arms"), list):
            return data | {"arms": _ready_made(data["arms"], data.get("vectors"))}
        return data

    @property
    def source(self) -> str:
        return self.pair.split("-")[0]

    @property
    def target(self) -> str:
        return self.pair.split("-")[1]

    def tying(self, arm: Arm) -> Tying:
        """What an arm's model shares."""
        return arm.tying or self.model.tying

    def sizes_of(self, arm: str) -> Sequence[Size]:
        """At which an arm is trained."""
        return self.arms[arm].sizes or self.sizes

    def language(self, side: Side) -> str:
        return self.source if side == "source" else self.target

    def cells(self) -> list["Cell"]:
        """All cells, smallest size first, so that the curve grows while one waits."""
        order = sorted(self.sizes, key=lambda size: size_limit(size)[0] or float("inf"))
        return [
            Cell(size=size, arm=name, seed=seed)
            for size in order
            for seed in self.seeds
            for name in self.arms
            if size in self.sizes_of(name)
        ]

    @model_validator(mode="after")
    def _consistent(self) -> "Experiment":
        if not re.fullmatch(f"{_LANGUAGE}-{_LANGUAGE}", self.pair):
            _fail(("pair",), f"'{self.pair}' is no pair; write source-target, e.g. de-en")
        if self.source == self.target:
            _fail(("pair",), "source and target are the same language")
        for key, corpora in (
            ("parallel", self.corpora.parallel),
            ("monolingual", self.corpora.monolingual),
        ):
            names = [str(corpus) for corpus in corpora]
            for at, name in enumerate(names):
                if name in names[:at]:
                    _fail(("corpora", key, at), f"{name} stands here twice")
                corpus = corpora[at]
                if isinstance(corpus, OwnText):
                    continue
                if corpus.pair == f"{self.target}-{self.source}":
                    _fail(
                        ("corpora", key, at, "pair"),
                        f"{corpus.pair} swaps source and target; write them as pair has them "
                        f"({self.pair}), however the corpus's files are called",
                    )
        if len({size_limit(size)[1] for size in self.sizes if size != "all"}) > 1:
            _fail(("sizes",), "some are pairs and some tokens, and a curve has one axis")
        for key in ("sizes", "seeds"):
            values = getattr(self, key)
            for at, value in enumerate(values):
                if value in values[:at]:
                    _fail((key, at), f"{value} stands here twice")
        for name, arm in self.arms.items():
            if arm.vectors is not None and arm.vectors not in self.vectors:
                allowed = ", ".join(self.vectors) or "none: there is no vectors block"
                _fail(
                    ("arms", name, "vectors"),
                    f"no vectors are called '{arm.vectors}'; allowed: {allowed}",
                )
            for at, size in enumerate(arm.sizes or ()):
                if size not in self.sizes:
                    _fail(("arms", name, "sizes", at), f"{size} is none of the experiment's sizes")
            shared = {"none": (), "decoder": ("target",), "all": SIDES}[self.tying(arm)]
            if shared and arm.tuning != "finetuned" and set(shared) & set(arm.sides):
                _fail(
                    ("arms", name),
                    f"a {arm.tuning} table that is the output layer too (tying: "
                    f"{self.tying(arm)}) would freeze that; tie less, or choose another side",
                )
            if shared and arm.has_own_parameters:
                _fail(
                    ("arms", name),
                    "a table with a projection or a learning rate of its own can't be tied; "
                    "set tying to none",
                )
            if self.tying(arm) == "all" and not self.segmentation.joint:
                _fail(("arms", name), "tying: all needs one dictionary; set segmentation.joint")
            if self.tying(arm) == "all" and len(arm.vector_sides) == 1:
                _fail(("arms", name), "tying: all leaves one table, so side must be both")
            if self.tying(arm) == "all" and arm.vectors and not self.vectors[arm.vectors].shared:
                _fail(
                    ("arms", name),
                    "tying: all leaves one table, and the vectors are two sets, one for each side; "
                    "train them with joint: true, or name one file for both",
                )
        if self.segmentation.type == "encoder" and self.encoder is None:
            _fail(("segmentation", "type"), "needs an encoder: name one under encoder")
        for name, vectors in self.vectors.items():
            if isinstance(vectors, EncoderVectors):
                if self.segmentation.type != "encoder":
                    _fail(
                        ("vectors", name),
                        "the encoder's rows are of its own pieces; set segmentation.type: encoder",
                    )
                continue
            if vectors.align is None:
                continue
            if isinstance(vectors, TrainedVectors) and vectors.joint:
                _fail(("vectors", name, "align"), "joint vectors are in one space already")
            pieces = vectors.of == "tokens" and self.segmentation.type != "words"
            if pieces and vectors.align.lexicon != "induced":
                _fail(
                    ("vectors", name, "align", "lexicon"),
                    "pieces of words stand in no lexicon; set of: words, or lexicon: induced",
                )
        if self.baseline not in self.arms:
            _fail(
                ("baseline",),
                f"no arm is called '{self.baseline}'; allowed: {', '.join(self.arms)}",
            )
        if self.arms[self.baseline].sizes is not None:
            _fail(("arms", self.baseline, "sizes"), "the baseline is compared with at all sizes")
        if self.arms[self.baseline].vectors is not None:
            _fail(("baseline",), f"'{self.baseline}' has vectors; the baseline must have none")
        for at, both in enumerate(self.contrasts):
            for one in both:
                if one not in self.arms:
                    allowed = ", ".join(self.arms)
                    _fail(("contrasts", at), f"no arm is called '{one}'; allowed: {allowed}")
            if len(set(both)) < 2 or self.baseline in both:
                _fail(
                    ("contrasts", at),
                    "write two arms, neither of them the baseline, which all are compared with",
                )
            if not set(self.sizes_of(both[0])) & set(self.sizes_of(both[1])):
                _fail(("contrasts", at), f"{both[0]} and {both[1]} have no size in common")
        needs_text = (
            *(
                (("vectors", name), isinstance(it, TrainedVectors) and it.text == "monolingual")
                for name, it in self.vectors.items()
            ),
            (
                ("segmentation", "fit_on"),
                self.segmentation.fit_on == "monolingual",
            ),
        )
        for where, needed in needs_text:
            if needed and not self.corpora.monolingual:
                _fail(where, "needs text: name corpora under corpora.monolingual")
        trained = [it for it in self.vectors.values() if isinstance(it, TrainedVectors)]
        of_monolingual = any(it.text == "monolingual" for it in trained)
        if self.segmentation.fit_on == "sample" and of_monolingual:
            _fail(
                ("segmentation", "fit_on"),
                "vectors are trained on segmented monolingual text, which would differ with each "
                "sample; allowed here: monolingual, pool",
            )
        return self


class Cell(BaseModel):
    """size × arm × seed: one trained model and its scores."""

    model_config = ConfigDict(frozen=True)

    size: Size
    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.size}-{self.arm}-s{self.seed}"


def _fail(where: Sequence[str | int], message: str) -> None:
    raise PydanticCustomError("inconsistent", "{message}", {"message": message, "where": where})
