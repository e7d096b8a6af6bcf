"""The stage that analyses a trained model."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from nmt_ablation.analysis import Analysis, Finding
from nmt_ablation.stage import Build, Stage
from nmt_ablation.stages.tokens import Binarise
from nmt_ablation.stages.training import Choose, Train


@dataclass(frozen=True, eq=False)
class Analyse(Stage[list[Finding]]):
    """The findings of an analysis in a trained model."""

    name: ClassVar[str] = "analysis"

    kind: str
    kind_version: int
    analysis: Analysis
    model: Train | Choose
    baseline: Train | Choose | None
    """The baseline's model of the same size and seed, if the analysis compares."""
    binarise: Binarise
    starts: tuple[Stage[Any], ...]
    """The stages that have what the model started from."""
    threads: int = field(compare=False)

    def build(self, to: Build) -> list[Finding]:
        from nmt_ablation.analysis.subject import Subject

        model = self.model
        train = model.chosen(to.record(model)) if isinstance(model, Choose) else model
        subject = Subject(
            trained=to.path(model.checkpoint),
            data=to.path(self.binarise.data),
            transfer=train.transfer(to),
            updates=train.training.max_updates,
            initial_weights=to.record(train).initial_weights,
            baseline=to.path(self.baseline.checkpoint) if self.baseline else None,
            most=self.analysis.sentences,
            progress=to.progress,
            threads=self.threads,
        )
        return list(self.analysis.findings(subject))
