"""Stages from text and files to the embeddings and networks that a model starts from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.pretrained.kind import (
    NETWORK,
    Built,
    Given,
    GivenNetwork,
    PretrainedNetwork,
    PretrainedVectors,
    Setting,
    vectors_file,
)
from nmt_ablation.pretrained.records import (
    AlignmentRecord,
    HeldOutLoss,
    NetworkRecord,
    read_losses,
)
from nmt_ablation.stage import Build, DataFile, File, Record, Stage
from nmt_ablation.stages.cleaned import Languages
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.stages.sample import Sample
from nmt_ablation.stages.tokens import Binarise, BinariseText, Segmentation
from nmt_ablation.values import SIDES, Side
from nmt_ablation.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Vectors(Stage[dict[Side, Built]]):
    """Vectors of tokens or words, built by their kind."""

    name: ClassVar[str] = "vectors"
    version: ClassVar[int] = 5

    kind_version: int
    made_with: Mapping[str, Any]
    files: Mapping[str, DataFile]
    texts: Mapping[Side, File]
    segmentation: Segmentation | None
    fetched: FetchPretrained | None
    thing: PretrainedVectors = field(compare=False)
    setting: Setting = field(compare=False)

    def vectors(self, side: Side) -> File:
        return File(self, vectors_file(side))

    def build(self, to: Build) -> dict[Side, Built]:
        cut = self.segmentation
        return self.thing.build(
            Given(
                folder=to.folder,
                setting=self.setting,
                files={name: file.path for name, file in self.files.items()},
                fetched=to.artifact(self.fetched) if self.fetched else None,
                texts={side: to.path(file) for side, file in self.texts.items()},
                tokens={side: cut.tokens(side, to) for side in SIDES} if cut else {},
                segmenters={side: cut.segmenter(side, to) for side in SIDES} if cut else {},
                progress=to.progress,
            )
        )


@dataclass(frozen=True, eq=False)
class Align(Stage[AlignmentRecord]):
    """Vectors with the source side mapped into the space of the target side."""

    name: ClassVar[str] = "align"
    version: ClassVar[int] = 2

    made: Vectors
    unit: str
    lexicon: DataFile | str
    """A lexicon's file, or `identical`, or `induced`."""
    rounds: int
    seed: int
    binarise: Binarise | None
    """The pairs that a lexicon of tokens is induced from."""
    sample: Sample | None
    """The pairs that a lexicon of words is induced from."""

    def vectors(self, side: Side) -> File:
        return File(self, vectors_file(side))

    def build(self, to: Build) -> AlignmentRecord:
        from nmt_ablation.pretrained import vec
        from nmt_ablation.pretrained.align import Space, align

        source, target = (Space(*vec.load(to.path(self.made.vectors(side)))) for side in SIDES)
        entries = self._entries(to, source.tokens, target.tokens)
        aligned = align(source, target, entries, self.rounds, self.seed)
        for side, space in zip(SIDES, (aligned.source, aligned.target), strict=True):
            vec.write(to.path(self.vectors(side)), space.tokens, space.values)
        return aligned.record

    def _entries(self, to: Build, source: list[str], target: list[str]) -> list[tuple[str, str]]:
        from nmt_ablation.pretrained import compose, lexicon

        if isinstance(self.lexicon, DataFile):
            return lexicon.read_lexicon(self.lexicon.path)
        if self.lexicon == "identical":
            return lexicon.identical(source, target)
        sides = []
        for side in SIDES:
            if self.binarise is not None:
                lines = text.stream_lines(to.path(self.binarise.segmented("train", side)))
                sides.append([line.split() for line in lines])
            elif self.sample is not None:
                lines = text.stream_lines(to.path(self.sample.side(side)))
                sides.append([compose.BareWords().encode(line) for line in lines])
        return lexicon.induced(*sides)


@dataclass(frozen=True)
class Coverage:
    """Shares of a text's types and tokens that have a vector."""

    types: float
    tokens: float


@dataclass(frozen=True)
class RowsRecord:
    rows: int
    """The number of tokens that have a vector."""
    lengths: dict[str, float]
    """The mean and standard deviation of the lengths of their embeddings."""
    train: Coverage
    test: Coverage


@dataclass(frozen=True, eq=False)
class Rows(Stage[RowsRecord]):
    """The embeddings that one side's tokens start from, and their coverage of the text."""

    name: ClassVar[str] = "rows"
    version: ClassVar[int] = 5

    side: Side
    made: Vectors | Align
    segmentation: Segmentation
    binarise: Binarise
    words: File | None
    """The text whose words are counted, if the vectors are of words."""
    respelled: bool
    matched: bool
    dimension: int | None
    """The embedding dimension; None if any will do."""
    pca: bool
    mean: bool
    shuffle: tuple[int, int] | None
    """A seed by which each token gets the vector of another."""

    @property
    def rows(self) -> File:
        return File(self, "rows.npz")

    def build(self, to: Build) -> RowsRecord:
        from nmt_ablation.pretrained import compose, vec
        from nmt_ablation.transfer.place import coverage, place

        known = dict(zip(*vec.load(to.path(self.made.vectors(self.side))), strict=True))
        names = tokens = self.segmentation.tokens(self.side, to)
        counts = Counter[str]()
        if self.words is not None:
            counts = compose.words(text.stream_lines(to.path(self.words)))
            names = list(counts)
        if self.respelled:
            known = compose.look_up(names, known)
        if self.words is not None:
            segmenter = self.segmentation.segmenter(self.side, to)
            known = compose.compose(tokens, counts, segmenter, known)
        placed = place(
            known,
            to.path(self.segmentation.dictionary(self.side)),
            to.path(self.rows),
            matched=self.matched,
            dimension=self.dimension,
            pca=self.pca,
            shuffle=self.shuffle,
            mean=self.mean,
        )
        covered = {
            split: Coverage(
                **coverage(placed.tokens, to.path(self.binarise.segmented(split, self.side)))
            )
            for split in ("train", "test")
        }
        return RowsRecord(len(placed.tokens), placed.lengths, covered["train"], covered["test"])


class Weights(Stage[Record]):
    """A stage whose artifact has weights for parts of a model, in its architecture."""

    @property
    def weights(self) -> File:
        """The weights by name, under the key `model`; rows that it has nothing for are no
        numbers."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Network(Weights[NetworkRecord]):
    """A network of the NMT model's architecture, trained by its kind."""

    name: ClassVar[str] = "network"
    resumable: ClassVar[bool] = True

    kind_version: int
    made_with: Mapping[str, Any]
    texts: Mapping[Side, BinariseText]
    segmentation: Segmentation
    seed: int
    languages: Languages = field(compare=False)
    """The languages of both sides of the text."""
    thing: PretrainedNetwork = field(compare=False)
    setting: Setting = field(compare=False)
    label: str = field(compare=False)
    """The name of the network, for messages."""
    where: str = field(compare=False)
    """The place in the experiment file, for messages."""

    @property
    def alone(self) -> bool:
        return True

    @property
    def title(self) -> str:
        return f"network-{self.label}"

    @property
    def weights(self) -> File:
        """The network, as a checkpoint of fairseq's."""
        return File(self, NETWORK)

    def losses(self, workspace: Workspace) -> list[HeldOutLoss]:
        """Return the losses on held-out lines, also while the network is trained."""
        if workspace.done(self):
            return workspace.record(self).validations
        return read_losses(workspace.partial(self))

    def build(self, to: Build) -> NetworkRecord:
        return self.thing.build(
            GivenNetwork(
                folder=to.folder,
                setting=self.setting,
                texts={side: to.artifact(stage) for side, stage in self.texts.items()},
                languages=dict(zip(SIDES, self.languages, strict=True)),
                dictionaries={side: to.path(self.segmentation.dictionary(side)) for side in SIDES},
                seed=self.seed,
                where=self.where,
                progress=to.progress,
            )
        )
