"""The stages that analyse a cell: its model, and its translations."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from nmt_ablation.analysis import Finding, ModelAnalysis, TextAnalysis
from nmt_ablation.corpus import text
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.scoring import Translated
from nmt_ablation.stages.tokens import Binarise
from nmt_ablation.stages.training import Choose, Train
from nmt_ablation.values import SIDES

Analyse: TypeAlias = "AnalyseModel | AnalyseTexts"


@dataclass(frozen=True, eq=False)
class AnalyseModel(Stage[list[Finding]]):
    """The findings of an analysis in a trained model."""

    name: ClassVar[str] = "model-analysis"

    kind: str
    kind_version: int
    analysis: ModelAnalysis
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


@dataclass(frozen=True, eq=False)
class AnalyseTexts(Stage[list[Finding]]):
    """The findings of an analysis in the translations of the test sets."""

    name: ClassVar[str] = "text-analysis"

    kind: str
    kind_version: int
    analysis: TextAnalysis
    tests: tuple[Translated, ...]
    sample: File
    """The target side of the sample."""
    more: File | None
    """Other text of the target language, that things are pretrained on, if there is some."""
    tokenizer: str
    """sacreBLEU's tokenizer, which makes words."""

    def build(self, to: Build) -> list[Finding]:
        from nmt_ablation.analysis.texts import Texts

        pairs, hypotheses = [], []
        for test in self.tests:
            languages = test.translate.binarise.languages
            pairs += list(text.read_pairs(to.path(test.test_set), languages))
            hypotheses += list(text.stream_lines(to.path(test.translate.hypotheses)))
        sources, references = ([pair[at] for pair in pairs] for at in range(len(SIDES)))
        more = to.path(self.more) if self.more else None
        texts = Texts(sources, references, hypotheses, to.path(self.sample), more, self.tokenizer)
        return list(self.analysis.findings(texts))
