"""Stages from a trained model to its hypotheses, scores and comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.resample import PairedTest
from nmt_ablation.scoring.score import Scored
from nmt_ablation.scoring.test_sets import Weights
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.held_out import HoldOut
from nmt_ablation.stages.tokens import Binarise, Segmentation
from nmt_ablation.stages.training import Choose, Train
from nmt_ablation.translation.config import Decoding
from nmt_ablation.values import UnicodeForm


@dataclass(frozen=True, eq=False)
class Translate(Stage[None]):
    """A test set's hypotheses, detokenised."""

    name: ClassVar[str] = "translate"
    version: ClassVar[int] = 4

    train: Train | Choose
    test_set: File
    """The stem of the test set's two files."""
    binarise: Binarise
    segmentation: Segmentation
    decoding: Decoding
    threads: int
    unicode: UnicodeForm

    @property
    def hypotheses(self) -> File:
        return File(self, "hypotheses.txt")

    def build(self, to: Build) -> None:
        from nmt_ablation.translation.system import System

        system = System.load(
            to.path(self.train.checkpoint),
            to.path(self.binarise.data),
            (
                self.segmentation.segmenter("source", to),
                self.segmentation.segmenter("target", to),
            ),
            self.decoding,
            self.threads,
        )
        pairs = text.read_pairs(to.path(self.test_set), self.binarise.languages)
        sources = [text.tidy(source, self.unicode) for source, _ in pairs]
        hypotheses = system.translate(sources, to.progress)
        text.write_lines(to.path(self.hypotheses), hypotheses)


@dataclass(frozen=True)
class Translated:
    """A test set and a model's translations of it."""

    test_set: File
    """The stem of the test set's two files."""
    translate: Translate


class CellScores(Scored):
    """The scores of a cell, and what turns its losses into bits per character."""

    tokens_per_character: float
    """Tokens that the model predicts for each character of the validation set's references."""


@dataclass(frozen=True, eq=False)
class Score(Stage[CellScores]):
    """A cell's scores by each metric on each test set, and the sufficient statistics of each
    sentence."""

    name: ClassVar[str] = "score"
    version: ClassVar[int] = 4

    tests: Mapping[str, Translated]
    weights: Weights
    binarise: Binarise
    hold_out: HoldOut
    metrics: Mapping[str, Metric]

    def build(self, to: Build) -> CellScores:
        from nmt_ablation.scoring.score import combined, save_statistics, score

        found = {}
        for name, test in self.tests.items():
            pairs = text.read_pairs(to.path(test.test_set), self.binarise.languages)
            sources, references = map(list, zip(*pairs, strict=True))
            hypotheses = list(text.stream_lines(to.path(test.translate.hypotheses)))
            found[name] = score(self.metrics, hypotheses, references, sources)
        scored, statistics = combined(self.metrics, found, self.weights)
        save_statistics(statistics, to.folder)
        tokens_per_character = self.binarise.tokens_per_character(to)
        return CellScores(**dict(scored), tokens_per_character=tokens_per_character)


@dataclass(frozen=True, eq=False)
class Compare(Stage[dict[str, PairedTest]]):
    """Paired tests, by each metric, of a cell against the baseline of its size and seed."""

    name: ClassVar[str] = "compare"
    version: ClassVar[int] = 5
    when_ready: ClassVar[bool] = True

    arm: Score
    baseline: Score
    metrics: Mapping[str, Metric]

    def build(self, to: Build) -> dict[str, PairedTest]:
        from nmt_ablation.scoring.resample import compare
        from nmt_ablation.scoring.score import load_statistics

        baseline, arm = (load_statistics(to.artifact(it)) for it in (self.baseline, self.arm))
        return compare(self.metrics, baseline, arm, self.arm.weights)


@dataclass(frozen=True, eq=False)
class Resample(Stage[None]):
    """A cell's scores on the test sets and on resamples of them, which are the same for all
    cells."""

    name: ClassVar[str] = "resamples"
    version: ClassVar[int] = 4

    score: Score
    metrics: Mapping[str, Metric]

    def build(self, to: Build) -> None:
        from nmt_ablation.scoring.resample import resampled, save_scores
        from nmt_ablation.scoring.score import load_statistics

        statistics = load_statistics(to.artifact(self.score))
        save_scores(resampled(self.metrics, statistics, self.score.weights), to.folder)
