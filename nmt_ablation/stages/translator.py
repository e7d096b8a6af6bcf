"""The stage that scores a published translator as it is."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from nmt_ablation.corpus import text
from nmt_ablation.errors import UserError
from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.score import Scored
from nmt_ablation.scoring.test_sets import Weights
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.cleaned import Languages
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.translation.config import Decoding
from nmt_ablation.values import Side, UnicodeForm

INTERVAL = (2.5, 97.5)
"""The percentiles of a 95% interval."""
PACKAGES = ("torch", "transformers")


class TranslatorScores(Scored):
    """The scores of a published translator, and what translating took."""

    intervals: dict[str, tuple[float, float]]
    """The 95% interval of each score for other test sentences, by bootstrap (Koehn 2004)."""
    parameters: int
    sentences: int
    truncated: int
    """The number of sentences that were cut to the positions that it has."""
    core_seconds: float
    """The time of translating, times threads."""
    versions: dict[str, str]


@dataclass(frozen=True, eq=False)
class ScoreTranslator(Stage[TranslatorScores]):
    """The scores of a published translator's translations of the test sets."""

    name: ClassVar[str] = "translator"

    fetched: FetchPretrained
    codes: Mapping[Side, str]
    """The languages, as a multilingual translator calls them."""
    tests: Mapping[str, File]
    """The stem of each test set's two files."""
    languages: Languages
    weights: Weights
    metrics: Mapping[str, Metric]
    decoding: Decoding
    unicode: UnicodeForm
    threads: int = field(compare=False)
    where: str = field(compare=False)
    """The place in the experiment file, for messages."""

    def hypotheses(self, test_set: str) -> File:
        return File(self, f"hypotheses.{test_set}.txt")

    def build(self, to: Build) -> TranslatorScores:
        from nmt_ablation.scoring.resample import resampled
        from nmt_ablation.scoring.score import combined, score
        from nmt_ablation.translation.published import PublishedTranslator

        folder = to.artifact(self.fetched)
        try:
            translator = PublishedTranslator(folder, self.codes, self.decoding, self.threads)
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from None
        pairs = {
            name: list(text.read_pairs(to.path(it), self.languages))
            for name, it in self.tests.items()
        }
        whole, done, started = sum(map(len, pairs.values())), 0, time.monotonic()
        found = {}

        def progress(of_set: float, _: float) -> None:
            to.progress(done + of_set, whole)

        for name, own in pairs.items():
            sources, references = map(list, zip(*own, strict=True))
            tidy = [text.tidy(source, self.unicode) for source in sources]
            hypotheses = translator.translate(tidy, progress)
            done += len(own)
            text.write_lines(to.path(self.hypotheses(name)), hypotheses)
            found[name] = score(self.metrics, hypotheses, references, sources)
        seconds = time.monotonic() - started
        scored, statistics = combined(self.metrics, found, self.weights)
        resamples = resampled(self.metrics, statistics, self.weights)
        return TranslatorScores(
            **dict(scored),
            intervals={
                name: (float(low), float(high))
                for name, it in resamples.items()
                for low, high in [np.percentile(it[1:], INTERVAL)]
            },
            parameters=translator.parameters,
            sentences=whole,
            truncated=translator.truncated,
            core_seconds=round(seconds * self.threads, 1),
            versions={it: version(it) for it in PACKAGES},
        )
