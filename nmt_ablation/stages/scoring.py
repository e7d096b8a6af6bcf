"""Stages from a trained model to its hypotheses, scores and comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.resample import PairedTest
from nmt_ablation.scoring.score import Scored
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.corpora import HoldOut
from nmt_ablation.stages.tokens import Binarise, Segmentation
from nmt_ablation.stages.training import Choose, Train
from nmt_ablation.translation.config import Decoding
from nmt_ablation.values import UnicodeForm


@dataclass(frozen=True, eq=False)
class Translate(Stage[None]):
    """The test set's hypotheses, detokenised."""

    name: ClassVar[str] = "translate"
    version: ClassVar[int] = 3

    train: Train | Choose
    hold_out: HoldOut
    binarise: Binarise
    segmentation: Segmentation
    decoding: Decoding
    threads: int
    unicode: UnicodeForm

    @property
    def hypotheses(self) -> File:
        return File(self, "hypotheses.txt")

    def build(self, to: Build) -> None:
        from nmt_ablation.translation import engine

        sources = text.stream_lines(to.path(self.hold_out.side("test", "source")))
        hypotheses = engine.translate(
            [text.tidy(line, self.unicode) for line in sources],
            to.path(self.train.checkpoint),
            to.path(self.binarise.data),
            (
                self.segmentation.segmenter("source", to),
                self.segmentation.segmenter("target", to),
            ),
            self.decoding,
            self.threads,
            to.progress,
        )
        text.write_lines(to.path(self.hypotheses), hypotheses)


@dataclass(frozen=True, eq=False)
class Score(Stage[Scored]):
    """A cell's scores by each metric, and the sufficient statistics of each sentence."""

    name: ClassVar[str] = "score"
    version: ClassVar[int] = 3

    translate: Translate
    hold_out: HoldOut
    metrics: Mapping[str, Metric]

    def build(self, to: Build) -> Scored:
        from nmt_ablation.scoring.score import save_statistics, score

        files = (
            self.translate.hypotheses,
            self.hold_out.side("test", "target"),
            self.hold_out.side("test", "source"),
        )
        texts = (list(text.stream_lines(to.path(file))) for file in files)
        scored, statistics = score(self.metrics, *texts)
        save_statistics(statistics, to.folder)
        return scored


@dataclass(frozen=True, eq=False)
class Compare(Stage[dict[str, PairedTest]]):
    """Paired tests, by each metric, of a cell against the baseline of its size and seed."""

    name: ClassVar[str] = "compare"
    version: ClassVar[int] = 4
    when_ready: ClassVar[bool] = True

    arm: Score
    baseline: Score
    metrics: Mapping[str, Metric]

    def build(self, to: Build) -> dict[str, PairedTest]:
        from nmt_ablation.scoring.resample import compare
        from nmt_ablation.scoring.score import load_statistics

        baseline, arm = (load_statistics(to.artifact(it)) for it in (self.baseline, self.arm))
        return compare(self.metrics, baseline, arm)


@dataclass(frozen=True, eq=False)
class Resample(Stage[None]):
    """A cell's scores on the test set and on resamples of it, which are the same for all cells."""

    name: ClassVar[str] = "resamples"
    version: ClassVar[int] = 3

    score: Score
    metrics: Mapping[str, Metric]

    def build(self, to: Build) -> None:
        from nmt_ablation.scoring.resample import resampled, save_scores
        from nmt_ablation.scoring.score import load_statistics

        save_scores(resampled(self.metrics, load_statistics(to.artifact(self.score))), to.folder)
