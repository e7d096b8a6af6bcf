"""Stages of text in one language: monolingual corpora, and the pairs that a sample leaves."""

from dataclasses import dataclass, field
from typing import ClassVar

from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.records import RestRecord, TextRecord
from nmt_ablation.errors import UserError
from nmt_ablation.stage import Build, DataFile, File, Stage
from nmt_ablation.stages.cleaned import Clean
from nmt_ablation.stages.held_out import HoldOut
from nmt_ablation.stages.pool import Apart, Pool, known_to
from nmt_ablation.values import Side, UnicodeForm


@dataclass(frozen=True, eq=False)
class Monolingual(Stage[TextRecord]):
    """One language's text, without lines of the held-out sets or of any sentence pair."""

    name: ClassVar[str] = "monolingual"
    version: ClassVar[int] = 4

    side: Side
    language: str
    unicode: UnicodeForm
    sources: tuple[File | DataFile, ...]
    """Files of OPUS, and of the user's own."""
    corpora: tuple[Clean, ...]
    hold_out: HoldOut
    limits: Cleaning = field(compare=False)
    apart: tuple[Apart, ...] = ()
    """Other experiments, whose sentences the text must not have."""

    @property
    def text(self) -> File:
        return File(self, "text")

    @property
    def names(self) -> list[str]:
        """The names of the files, for messages."""
        return [
            str(it.path if isinstance(it, DataFile) else getattr(it.stage, "file", it.name))
            for it in self.sources
        ]

    def build(self, to: Build) -> TextRecord:
        import numpy as np

        from nmt_ablation.corpus import clean, read

        own = Apart(self.corpora, self.hold_out)
        held_out = np.concatenate([*own.held_out(self.language, to)])
        others = known_to(self.apart, self.language, to)
        forms = np.concatenate([*own.pooled(self.language, to), *others])
        cleaner = clean.TextCleaner(self.limits, self.language, held_out, forms)
        with to.path(self.text).open("wb") as file:
            for source, name in zip(self.sources, self.names, strict=True):
                path = source.path if isinstance(source, DataFile) else to.path(source)
                file.writelines(cleaner.blocks(read.text_blocks(path), name))
        if not cleaner.record.kept:
            raise UserError(
                f"the monolingual corpora have no text in {self.language} but what is in the "
                "parallel ones; name others, or train vectors on the sample (text: sample)"
            )
        return cleaner.record


@dataclass(frozen=True, eq=False)
class Rest(Stage[RestRecord]):
    """Text from the pool: the sides of all pairs that no sample holds."""

    name: ClassVar[str] = "rest"

    pool: Pool
    corpora: tuple[Clean, ...]
    limit: int
    """The size of the largest sample."""
    by_tokens: bool
    keys: tuple[str, ...]
    """The keys of the samples, one for each seed."""
    where: str = field(compare=False)
    """The place of the key `monolingual` in the experiment file."""

    def text(self, side: Side) -> File:
        return File(self, f"{side}.txt")

    def build(self, to: Build) -> RestRecord:
        from nmt_ablation.corpus import cleaned, rest

        record = rest.write(
            to.path(self.pool.places),
            [cleaned.CleanCorpus(to.artifact(it), self.pool.languages) for it in self.corpora],
            self.limit,
            self.by_tokens,
            self.keys,
            (to.path(self.text("source")), to.path(self.text("target"))),
        )
        if not all(record.kept):
            raise UserError(
                f"{self.where}: the samples leave no rest of the pool; ask for smaller sizes, or "
                "name corpora"
            )
        return record
