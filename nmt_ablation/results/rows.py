"""The rows of a report: cells, means, gains, contrasts, and corpora."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from nmt_ablation.experiment import Cell
from nmt_ablation.scoring.resample import PairedTest
from nmt_ablation.scoring.score import Score
from nmt_ablation.values import Side, Size

Verdict = Literal["better", "worse", "equivalent", "open"]
MUCH = 0.5
"""BLEU on the validation set by which a training still rises, or has fallen, that is marked."""
SIGNIFICANT = 0.05
"""The level of significance for corrected p-values."""


class Row(BaseModel):
    """A part of a report's files: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Validation(Row):
    """A validation during training."""

    update: int
    loss: float | None
    """Loss in bits a token; None if it is not finite."""
    bleu: float


class Training(Row):
    """A training: its course, its end, and its machine."""

    learning_rate: float | None = None
    """The learning rate, which may be chosen on the validation set; None in reports of before."""
    updates: int
    ended_by: str
    """The cause of its end: `patience`, `budget`, `schedule` or `divergence`."""
    best_update: int
    """The update of the checkpoint that is scored: the best on the validation set, or the last of
    those that are averaged."""
    validation_bleu: float
    """BLEU of that checkpoint on the validation set."""
    validations: tuple[Validation, ...]
    seconds: float
    together: int
    """Number of arms that trained in the same process."""
    too_long: int
    """Number of training pairs that fit into no batch."""
    parameters: int
    learned: int | None = Field(default=None, exclude_if=lambda value: value is None)
    """Number of parameters that learned at some update; None in reports of before."""
    weights: str
    """Digest of the weights."""
    torch: str
    device: str
    precision: str
    auxiliary_tokens: int = Field(default=0, exclude_if=lambda value: not value)
    """Number of tokens that auxiliary objectives predicted."""
    auxiliary_share: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """Share of auxiliary objectives in the loss, by their weights; None without any."""


class Pairing(Row):
    """Digests that must be equal for all arms of a size and seed; those of batches for arms that
    learn from the same pairs."""

    data: str
    initial_weights: str
    batches: dict[int, str]
    """Digest of all batches up to an update."""


class Share(Row):
    """Shares of a text's types and tokens that have a vector."""

    types: float
    tokens: float


class Lengths(Row):
    """Lengths of vectors."""

    mean: float
    deviation: float


class SideCoverage(Row):
    """The vectors that one side starts from, and their coverage of its text."""

    rows: int
    """Number of rows of the embedding matrix that start from vectors."""
    lengths: Lengths
    train: Share
    test: Share


class Round(Row):
    """A round of an alignment: the number of entries fitted to, and precision at 1 on held-out
    words in both directions."""

    fitted: int
    source_to_target: float
    target_to_source: float


class Alignment(Row):
    """An alignment of two languages' vectors."""

    lexicon: int
    """Number of word pairs in the lexicon."""
    known: int
    """Number of these with vectors of both words."""
    fitted: int
    """Number of these that are fitted to."""
    held_out: int
    """Number of words that precision is measured on."""
    rounds: tuple[Round, ...]
    """Rounds; the first is before refinement."""


class HeldOutLoss(Row):
    """The loss on held-out lines after some updates of pretraining, in bits for each prediction."""

    update: int
    loss: float
    precision: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """Precision at 1 of retrieval among the held-out pairs, over both directions."""


class Network(Row):
    """A network that parts of a model start from, and its pretraining."""

    name: str
    parts: tuple[str, ...]
    """The parts that start from it, and the sides whose embeddings its states feed."""
    objective: str
    text: str
    """The text that it learned from, `monolingual`, `sample`, the name of further pairs or a
    parent's cell, and the languages."""
    seed: int
    lines: int
    """Number of lines that it learned from."""
    held_out: int
    """Number of lines that its loss is measured on."""
    updates: int
    epochs: int | None
    """Number of times that the text was begun; None for a parent."""
    tokens: int | None
    """Number of tokens read; None for a parent."""
    predicted: int | None
    """Number of predictions: of tokens, or of sentences; None for a parent."""
    too_long: int
    """Number of lines that fit into no batch."""
    losses: tuple[HeldOutLoss, ...]
    seconds: float
    threads: int
    parameters: int
    """Number of weights that learned."""
    weights: str
    """Digest of the weights."""
    rows: dict[Side, int] | None = Field(default=None, exclude_if=lambda value: value is None)
    """Number of tokens of each side that have a row of a parent's; None for other networks."""
    device: str
    digest: str
    """Digest of everything that determines the network."""

    @property
    def core_seconds(self) -> float:
        """Seconds of pretraining times threads."""
        return self.seconds * self.threads


class BackTranslation(Row):
    """Pairs translated back that a cell was trained on beside its sample."""

    pairs: int
    empty: int
    """Number of lines left out, as their translations are empty."""
    digest: str
    """Digest of everything that determines sample and pairs together."""


class NearDuplicatesOf(Row):
    """Near-duplicates between a sample and one held-out set."""

    pairs: int
    """Number of training pairs that are near-duplicates of a held-out pair."""
    held_out: int
    """Number of held-out pairs that are near-duplicates of a training pair."""
    of: int
    """Number of all held-out pairs."""


class NearDuplicates(Row):
    """Near-duplicates between a sample and both held-out sets."""

    valid: NearDuplicatesOf
    test: NearDuplicatesOf


class LayerRetrieval(Row):
    """The precision at 1 of retrieval by the states of an encoder's layer."""

    layer: int
    """The layer, counted from 1; 0 for embeddings."""
    source_to_target: float
    target_to_source: float


class EncoderRow(Row):
    """The retrieval of the validation set's translations by a published encoder."""

    name: str
    """The name in the experiment."""
    pairs: int
    """Number of sentence pairs."""
    layers: tuple[LayerRetrieval, ...]


class Finding(Row):
    """One number that an analysis found in a cell's model."""

    measure: str
    """The quantity, with its unit."""
    place: str
    """The part of the model, the layer or the class of words that it is of."""
    other: str = Field(default="", exclude_if=lambda value: not value)
    """The second place, of a quantity between two."""
    value: float
    interval: tuple[float, float] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """The 95% interval for other test sentences."""


class AnalysisRow(Row):
    """An analysis of trained models; cells have its findings."""

    title: str
    shows: str
    """A sentence on what its numbers show."""
    hides: str
    """A sentence on what they don't show."""
    decimals: int
    """Digits after the point in tables."""


class TranslatorRow(Row):
    """A published translator that is scored as it is."""

    name: str
    """The name in the experiment."""
    model: str
    """The directory, or the name and the revision on the hub."""
    scores: dict[str, Score]
    """Scores on the test set, by metric."""
    intervals: dict[str, tuple[float, float]]
    """The 95% interval of each score, for other test sentences."""
    empty_hypotheses: int
    warnings: tuple[str, ...]
    """Signs of a broken model."""
    parameters: int
    sentences: int
    """Number of test sentences."""
    truncated: int
    """Number of test sentences that were cut to the positions that the model has."""
    core_seconds: float
    """Time of translating, times threads."""
    versions: dict[str, str]
    """Versions of the packages that translated."""
    digest: str


class CellRow(Row):
    """A finished cell."""

    experiment: str
    pair: str
    size: Size
    """The size as the experiment file writes it."""
    pairs: int
    """Number of sentence pairs in the sample."""
    arm: str
    seed: int
    scores: dict[str, Score]
    """Scores on the test set, by metric."""
    gains: dict[str, float] = {}
    """Gains over the baseline of the same size and seed, by metric, positive if the arm is better;
    empty if the baseline isn't finished."""
    tests: dict[str, PairedTest] = {}
    """Paired tests of these gains over test sentences; empty for the baseline."""
    empty_hypotheses: int
    warnings: tuple[str, ...]
    """Signs of a broken model."""
    training: Training
    pairing: Pairing
    coverage: dict[Side, SideCoverage]
    """The vectors of each side that starts from some."""
    alignment: Alignment | None
    networks: tuple[Network, ...] = ()
    """The networks that parts of the model start from, and the model that translated back."""
    back_translation: BackTranslation | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    near_duplicates: NearDuplicates | None
    findings: dict[str, tuple[Finding, ...]] = Field(default={}, exclude_if=lambda value: not value)
    """The findings of each analysis of the cell's model."""
    test_sentences: int
    digest: str
    """Digest of everything that determines the cell's scores."""

    @cached_property
    def cell(self) -> Cell:
        """The cell: size, arm and seed."""
        return Cell(size=self.size, arm=self.arm, seed=self.seed)

    @property
    def caveat(self) -> str | None:
        """The reason to doubt the length of the training: `budget` or `divergence` ended it, or by
        a fixed schedule its BLEU on the validation set was still `rising`, or had `fallen`."""
        training, ended = self.training, self.training.ended_by
        if ended != "schedule":
            return ended if ended in ("budget", "divergence") else None
        bleu = [it.bleu for it in training.validations]
        some = max(1, len(bleu) // 5)
        if max(bleu) - training.validation_bleu > MUCH:
            return "fallen"
        before = bleu[-2 * some : -some]
        return "rising" if before and fmean(bleu[-some:]) - fmean(before) > MUCH else None

    @property
    def by_budget(self) -> bool:
        """True if the budget ended the training, which may still improve."""
        return self.training.ended_by == "budget"


class MeanScore(Row):
    """A mean over seeds with its 95% interval."""

    mean: float
    low: float
    high: float


class Gain(Row):
    """A gain over seeds with its 95% interval, positive if the first arm is better."""

    mean: float
    low: float
    """The lower end of the interval of this comparison alone."""
    high: float
    p_alone: float
    """p of this comparison alone."""
    p: float | None
    """p after correction for all such comparisons of the experiment: Dunnett's with the baseline,
    Holm's of other arms. None with one seed, as it could be luck."""
    simultaneous: tuple[float, float] | None = None
    """The interval after the same correction: it contains 0 where the gain is not significant. None
    in reports of earlier versions."""
    equivalent: bool = False
    """True if it differs from 0 by less than the smallest gain of interest of the primary metric:
    the interval after correction is within it."""

    @property
    def interval(self) -> tuple[float, float]:
        """The interval to show: after correction, if that is known."""
        return self.simultaneous or (self.low, self.high)

    @property
    def significant(self) -> bool:
        """True if the gain is statistically significant after correction."""
        return self.p is not None and self.p < SIGNIFICANT

    @property
    def verdict(self) -> Verdict:
        """The decision about the first arm."""
        if self.significant:
            return "better" if self.mean > 0 else "worse"
        return "equivalent" if self.equivalent and self.p is not None else "open"


class ComparedRow(Row):
    """An arm at a size, with its gains over another arm."""

    size: Size
    pairs: int
    """Number of sentence pairs; a mean over seeds if sizes are in tokens."""
    arm: str
    seeds: int
    """Number of seeds that both arms have."""
    gains: dict[str, Gain] = {}
    """Gains by metric; empty for the baseline itself."""

    @field_validator("gains")
    @classmethod
    def _one_seed_decides_nothing(
        cls, gains: dict[str, Gain], info: ValidationInfo
    ) -> dict[str, Gain]:
        """Drop p of one seed, which reports of earlier versions have."""
        if info.data.get("seeds") != 1:
            return gains
        return {name: it.model_copy(update={"p": None}) for name, it in gains.items()}


class MeanRow(ComparedRow):
    """An arm at a size, over the seeds for which both arm and baseline are finished.

    Gains are over the baseline.
    """

    scores: dict[str, MeanScore]


class ContrastRow(ComparedRow):
    """Two arms at a size, over the seeds for which both are finished.

    Gains are over the other arm.
    """

    other: str


class CorpusRow(Row):
    """The pairs of a corpus: read, dropped, and in the pool."""

    corpus: str
    read: int
    dropped: dict[str, int]
    """Pairs dropped by each filter."""
    duplicates: int
    leaks: int
    """Pairs with a side that a held-out set contains."""
    pool: int


class MonolingualRow(Row):
    """The lines of a language's text for vectors and subwords: read, kept, and left out."""

    language: str
    read: int
    kept: int
    leaks: int
    """Lines that a held-out set contains."""
    paired: int
    """Lines that are sides of sentence pairs."""


class FurtherRow(Row):
    """The sentence pairs beside the pool under one name, or those of a parent: read, kept, and left
    out."""

    name: str
    pair: str
    """The languages."""
    read: int
    kept: int
    dropped: int
    """Pairs dropped by filters."""
    duplicates: int
    shared: int
    """Pairs with a side that the pool's corpora contain, or for a parent the held-out sets too."""
    leaks: int
    """Pairs with a side that a held-out set contains, for a parent one of its own."""


class Example(Row):
    """A test sentence with the arms' translations."""

    pairs: int
    source: str
    reference: str
    hypotheses: dict[str, str]


def sizes_of(rows: Iterable[CellRow] | Iterable[MeanRow]) -> dict[str, list[Size]]:
    """Return the sizes of each arm, in the order of the rows."""
    found: dict[str, list[Size]] = {}
    for row in rows:
        if row.size not in (sizes := found.setdefault(row.arm, [])):
            sizes.append(row.size)
    return found


def by_arm(rows: Sequence[MeanRow]) -> Mapping[str, list[MeanRow]]:
    """Return the means of each arm, in the order of the rows."""
    found: dict[str, list[MeanRow]] = {}
    for row in rows:
        found.setdefault(row.arm, []).append(row)
    return found
