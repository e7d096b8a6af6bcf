"""Kinds of pretrained things, the blocks under `pretrained` in an experiment file.

To add a kind, write a class in a file of its own here and name it in `KINDS`; a package of your own
names its class under the entry points `nmt_ablation.pretrained`. The class is the kind's block of
the experiment file, and validates, builds and cites the thing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import PlainValidator, SerializeAsAny

from nmt_ablation.model.config import Model
from nmt_ablation.model.parts import EMBEDDINGS, Part, Sees
from nmt_ablation.objectives import Stack
from nmt_ablation.pretrained.records import NetworkRecord
from nmt_ablation.progress import OnProgress
from nmt_ablation.registry import Registry
from nmt_ablation.segmentation.config import SegmentationConfig
from nmt_ablation.training.config import Precision
from nmt_ablation.values import SIDES, Block, NotNegative, Side, Written, fail

if TYPE_CHECKING:
    from nmt_ablation.segmentation import Segmenter

TextName: TypeAlias = str
"""The name of a text: `monolingual`, `sample`, or a name under `corpora.further`."""
Problem = tuple[tuple[str, ...], str]
"""A mistake in a block: the keys below the block, and the message."""


NETWORK = "network.pt"
"""The file of a network's weights."""


def vectors_file(side: Side) -> str:
    """Return the name of the file with a side's vectors."""
    return f"{side}.vec"


@dataclass(frozen=True)
class Setting:
    """The facts about an experiment that its pretrained things may use."""

    languages: Mapping[Side, str]
    model: Model
    """The architecture of the NMT model."""
    precision: Precision
    """The precision of matrix products in training."""
    threads: int
    """The number of threads of one training."""
    segmentation: SegmentationConfig
    monolingual: tuple[Side, ...]
    """The sides that have monolingual text."""
    further: tuple[str, ...]
    """The names of sentence pairs beside the pool."""

    @property
    def dimension(self) -> int:
        """The embedding dimension of the NMT model."""
        return self.model.dimension


@dataclass(frozen=True)
class Given:
    """Everything that a pretrained thing is built from."""

    folder: Path
    """The folder to write to."""
    setting: Setting
    files: Mapping[str, Path]
    """The user's files, by the names that `files` gave them."""
    fetched: Path | None
    """The folder that `fetch` filled; None if the kind fetches nothing."""
    texts: Mapping[Side, Path]
    """The text that `needed_text` names, unsegmented; empty if it names none."""
    tokens: Mapping[Side, list[str]]
    """The tokens of each dictionary; empty if `segmented` is false."""
    segmenters: Mapping[Side, "Segmenter"]
    progress: OnProgress

    def vectors(self, side: Side) -> Path:
        """Return where the vectors of a side are written."""
        return self.folder / vectors_file(side)


@dataclass(frozen=True)
class GivenNetwork:
    """Everything that a network is trained from."""

    folder: Path
    """The folder to write to, with what an earlier try left there."""
    setting: Setting
    texts: Mapping[Side, Path]
    """A folder with each side's text in fairseq's binary form."""
    languages: Mapping[Side, str]
    """The language of each side's text."""
    dictionaries: Mapping[Side, Path]
    """The dictionary file of each side."""
    seed: int
    where: str
    """The network's place in the experiment file, for messages."""
    progress: OnProgress

    @property
    def weights(self) -> Path:
        """The file to write the network to, as a checkpoint of fairseq's."""
        return self.folder / NETWORK


@dataclass(frozen=True)
class Built:
    """The record of one side of a pretrained thing."""

    vectors: int
    dimension: int
    details: Mapping[str, int] = field(default_factory=dict)


class Aligning(Block):
    """A map of the source side's vectors into the space of the target side's."""

    lexicon: str
    """`identical` (tokens that both sides share), `induced` (tokens that co-occur in the sample's
    pairs), or a file with two words a line; relative paths start at the data folder."""
    rounds: NotNegative = 5
    """The number of refinements, each of which fits the map again to nearest neighbours too."""


class Pretrained(Block):
    """A pretrained thing, from which parts of the model may start."""

    version: ClassVar[int] = 1
    """The version of the code that builds; raised when that code gives another result."""
    unsigned: ClassVar[frozenset[str]] = frozenset()
    """Keys that don't change what is built: names of files, whose content counts instead, and later
    steps."""
    fetches: ClassVar[bool] = False
    """True if `fetch` has to run before `build`."""
    scored: ClassVar[bool] = False
    """True for a translator, which is scored as it is."""

    kind: str

    @property
    def shared(self) -> bool:
        """True if the embeddings of both sides are the same."""
        return False

    @property
    def reads(self) -> tuple[Stack, tuple[Sees, ...]] | None:
        """The stack whose states are features, and the positions that each position attends to;
        None for a thing without states."""
        return None

    @property
    def address(self) -> str:
        """The pinned address that `fetch` uses; empty if the thing consists of the user's files."""
        return ""

    def parts(self, setting: Setting) -> tuple[Part, ...]:
        """Return the parts of the model that may start from it."""
        raise NotImplementedError

    def sides(self, setting: Setting) -> tuple[Side, ...]:
        """Return the sides whose language it knows."""
        raise NotImplementedError

    def problems(self, setting: Setting) -> Iterator[Problem]:
        """Yield the conflicts with the rest of the experiment."""
        yield from ()

    def files(self, data: Path) -> Mapping[str, Path]:
        """Return the user's files that the thing is made of, existing or not, each with a name."""
        return {}

    def parameters(self, setting: Setting) -> dict[str, Any]:
        """Return everything that determines the result, except text, files and segmentation."""
        return self.model_dump(mode="json", exclude=set(self.unsigned))

    def fetch(self, data: Path, folder: Path, progress: OnProgress) -> Mapping[str, str]:
        """Fetch the files that `build` needs into a folder; return the SHA-256 of each."""
        raise NotImplementedError

    def cites(self) -> tuple[str, ...]:
        """Return the keys of corpora/references.bib to cite."""
        return ()


class PretrainedVectors(Pretrained):
    """Vectors of tokens or words, from which embeddings may start."""

    respelled: ClassVar[bool] = False
    """True if tokens without a vector are looked up without segmentation marks and in lower
    case."""
    unsigned: ClassVar[frozenset[str]] = frozenset(("missing", "align"))

    unit: Literal["token", "word"] = "token"
    """The unit that has a vector: a token of the dictionary, or a word. A token's vector is then
    the mean over the words that contain the token."""
    missing: Literal["random", "mean"] = "random"
    """The start of tokens without a vector: a random vector, or the mean of the others."""
    align: Aligning | None = None
    """A map of the source side's vectors into the space of the target side's; none if it is
    None."""

    @property
    def segmented(self) -> bool:
        """True if `build` needs the dictionary and its segmentation."""
        return self.unit == "token"

    def sides(self, setting: Setting) -> tuple[Side, ...]:
        """Return the sides that have vectors."""
        return SIDES

    def parts(self, setting: Setting) -> tuple[Part, ...]:
        return tuple(EMBEDDINGS[side] for side in self.sides(setting))

    def needed_text(self, setting: Setting) -> TextName | None:
        """Return the text that `build` trains on or counts words of, if any."""
        return None

    def problems(self, setting: Setting) -> Iterator[Problem]:
        if self.align is None:
            return
        if len(self.sides(setting)) < len(SIDES):
            yield ("align",), "there is text of one side only, so there is nothing to align"
        if self.shared:
            yield ("align",), "both sides have the same vectors, which are in one space already"
        subwords = self.unit == "token" and setting.segmentation.type != "words"
        if subwords and self.align.lexicon != "induced":
            yield (
                ("align", "lexicon"),
                "subwords stand in no lexicon; set unit: word, or lexicon: induced",
            )

    def parameters(self, setting: Setting) -> dict[str, Any]:
        return {"dimension": setting.dimension} | super().parameters(setting)

    def build(self, given: Given) -> dict[Side, Built]:
        """Write the vectors of each side that has some, where `given.vectors` says."""
        raise NotImplementedError


class PretrainedNetwork(Pretrained):
    """A network of the NMT model's architecture and dictionaries, from whose layers and embeddings
    parts of the model may start."""

    text: TextName
    lines: int | None
    updates: int
    batch_tokens: int

    @property
    def says(self) -> str:
        """The name of what the network learns, for a report."""
        return self.kind

    @property
    def reads(self) -> tuple[Stack, tuple[Sees, ...]]:
        """The stack whose states are features, and the positions that each position attends to."""
        raise NotImplementedError

    def seed_of(self, cell: int) -> int:
        """Return the network's seed, for the cells of a seed."""
        raise NotImplementedError

    def build(self, given: GivenNetwork) -> NetworkRecord:
        """Train the network, or resume its training; write it where `given.weights` says.

        Call this once in a process: fairseq keeps state between trainings.
        """
        raise NotImplementedError


KINDS: Registry[Pretrained] = Registry(
    "kind of pretrained thing",
    "nmt_ablation.pretrained",
    {
        "word2vec": "nmt_ablation.pretrained.word2vec:Word2Vec",
        "fasttext": "nmt_ablation.pretrained.fasttext:FastText",
        "vectors": "nmt_ablation.pretrained.vectors:Vectors",
        "checkpoint": "nmt_ablation.pretrained.checkpoint:Checkpoint",
        "published": "nmt_ablation.pretrained.published:Published",
        "network": "nmt_ablation.pretrained.network:Network",
        "parent": "nmt_ablation.pretrained.parent:Parent",
        "translator": "nmt_ablation.pretrained.translator:Translator",
    },
)


def _of_kind(value: Any) -> Pretrained:
    if isinstance(value, Pretrained):
        return value
    allowed = ", ".join(KINDS.names())
    if not isinstance(value, dict) or "kind" not in value:
        fail((), f"write what it is, and its keys: {{kind: …}}; kinds: {allowed}")
    if value["kind"] not in KINDS:
        fail(("kind",), f"'{value['kind']}' is no kind of pretrained thing; allowed: {allowed}")
    return KINDS[value["kind"]].model_validate(value)


AnyPretrained = Annotated[
    SerializeAsAny[Pretrained],
    PlainValidator(_of_kind),
    Written(lambda own, of: {"anyOf": [of(KINDS[name]) for name in KINDS.names()]}),
]
"""A block whose class is chosen by its key `kind`."""
