"""All stages of an experiment, up to scores, and those that jobs begin with."""

from collections.abc import Iterator, Sequence
from typing import Any

from nmt_ablation.analysis import ModelAnalysis, TextAnalysis
from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline.once import once
from nmt_ablation.pipeline.trainings import Trainings
from nmt_ablation.stage import Stage
from nmt_ablation.stages import pretrained, scoring, training
from nmt_ablation.stages.analysis import Analyse, AnalyseModel, AnalyseTexts
from nmt_ablation.stages.translator import ScoreTranslator


class Pipeline(Trainings):
    """All stages of an experiment."""

    @once
    def translate(self, cell: Cell, test_set: str) -> scoring.Translate:
        """Return the stage that translates a test set."""
        return scoring.Translate(
            self.model(cell),
            self.test_sets()[test_set],
            self.binarise(cell.size, cell.seed),
            self.segmentation(cell.size, cell.seed),
            self.experiment.decoding,
            self.experiment.training.threads,
            self.experiment.cleaning.unicode,
        )

    @once
    def score(self, cell: Cell) -> scoring.Score:
        """Return the stage that scores a cell."""
        return scoring.Score(
            {
                name: scoring.Translated(test_set, self.translate(cell, name))
                for name, test_set in self.test_sets().items()
            },
            self.experiment.held_out.weights,
            self.binarise(cell.size, cell.seed),
            self.hold_out(),
            self.experiment.scoring.metrics,
        )

    @once
    def compare(self, cell: Cell) -> scoring.Compare:
        """Return the stage that compares a cell with the baseline of its size and seed."""
        baseline = cell.model_copy(update={"arm": self.experiment.baseline})
        return scoring.Compare(
            self.score(cell), self.score(baseline), self.experiment.scoring.metrics
        )

    @once
    def resamples(self, cell: Cell) -> scoring.Resample:
        """Return the stage that scores a cell on resamples of the test set."""
        return scoring.Resample(self.score(cell), self.experiment.scoring.metrics)

    @once
    def translator(self, name: str) -> ScoreTranslator:
        """Return the stage that scores a published translator."""
        experiment = self.experiment
        return ScoreTranslator(
            self.checkpoint(name),
            experiment.translator(name).codes,
            self.test_sets(),
            self.languages,
            experiment.held_out.weights,
            experiment.scoring.metrics,
            experiment.decoding,
            experiment.cleaning.unicode,
            experiment.training.threads,
            f"{self.file.path}: pretrained.{name}",
        )

    @once
    def analysis(self, name: str, cell: Cell) -> Analyse:
        """Return the stage of an analysis of a cell."""
        experiment, analysis = self.experiment, self.experiment.analyses[name]
        if isinstance(analysis, TextAnalysis):
            return AnalyseTexts(
                name,
                analysis.version,
                analysis,
                tuple(self.score(cell).tests.values()),
                self.sample(cell.size, cell.seed).side("target"),
                self.text("target") if "target" in experiment.corpora.text_sides() else None,
                experiment.scoring.bleu_tokenizer,
            )
        assert isinstance(analysis, ModelAnalysis), "all others are of translations"
        compared = analysis.compares and cell.arm != experiment.baseline
        baseline = cell.model_copy(update={"arm": experiment.baseline})
        train = self.train(cell)
        return AnalyseModel(
            name,
            analysis.version,
            analysis,
            self.model(cell),
            self.model(baseline) if compared else None,
            train.binarise,
            train.starts,
            experiment.training.threads,
        )

    def analyses(self, cell: Cell) -> dict[str, Analyse]:
        """Return the stages of all analyses of a cell, by the names of the analyses."""
        return {name: self.analysis(name, cell) for name in self.experiment.analyses}

    def translators(self, cells: Sequence[Cell]) -> list[ScoreTranslator]:
        """Return the stages that score published translators, which come with the first cell."""
        if self.experiment.cells()[0] not in cells:
            return []
        return [self.translator(name) for name in self.experiment.translators]

    def scores(self, cells: Sequence[Cell]) -> list[Stage[Any]]:
        """Return the final stages of some cells: their scores, also on resamples, their comparisons
        with the baseline, the near-duplicates in their samples, what their published encoders
        retrieve, and published translators' scores.

        A comparison is built by the job that finishes the second of its two cells.
        """
        baseline = self.experiment.baseline
        compared = [
            other
            for other in self.experiment.cells()
            if other.arm != baseline
            and (other in cells or other.model_copy(update={"arm": baseline}) in cells)
        ]
        own = [stage for cell in cells for stage in (self.score(cell), self.resamples(cell))]
        alike = [self.near_duplicates(cell.size, cell.seed) for cell in cells]
        found: list[Stage[Any]] = [
            self.retrieval(name) for name in self.experiment.published_in(cells)
        ]
        found += self.translators(cells)
        return [*own, *map(self.compare, compared), *dict.fromkeys(alike), *found]

    def preparation(self, cells: Sequence[Cell] = ()) -> list[Stage[Any]]:
        """Return all stages that trainings of these cells need, but for networks, which are trained
        too; those of all cells if none are given.
        """
        cells = cells or self.experiment.cells()
        samples = [self.sample(cell.size, cell.seed) for cell in reversed(cells)]
        alike = [self.near_duplicates(cell.size, cell.seed) for cell in cells]
        needed = [it for cell in cells for it in _untrained(self.train(cell))]
        added = [test_set.stage for test_set in self.test_sets().values()]
        also = self.translators(cells)
        return list(dict.fromkeys([*samples, *alike, *added, *needed, *also]))

    def networks_of(self, cells: Sequence[Cell]) -> dict[str, pretrained.Network | training.Train]:
        """Return the networks and parents that some cells need, by the names of their jobs; each
        comes behind those that it needs itself."""
        found: dict[str, pretrained.Network | training.Train] = {}
        for cell in cells:
            for stage in self.train(cell).ancestors():
                if isinstance(stage, pretrained.Network | training.Train) and stage.alone:
                    found[stage.title] = stage
            for own in self.trainings(cell):
                found.pop(own.title, None)
        return found


def _untrained(stage: Stage[Any]) -> Iterator[Stage[Any]]:
    """Yield the last stages before a training that need nothing that is trained."""
    for needed in stage.inputs.values():
        if needed.alone or needed.waits:
            yield from _untrained(needed)
        else:
            yield needed
