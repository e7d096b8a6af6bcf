"""Stages of samples of the pool, and of their near-duplicates in held-out sets."""

from dataclasses import dataclass, field
from typing import ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.corpus.records import NearDuplicateCounts
from nmt_ablation.errors import UserError
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.cleaned import Clean, Languages
from nmt_ablation.stages.held_out import SETS, HoldOut
from nmt_ablation.stages.pool import Pool
from nmt_ablation.values import SIDES, Side

FIT_PAIRS = 1_000_000
"""Pairs of the pool that a segmentation is fitted on; more hardly change the subwords."""


@dataclass(frozen=True)
class SampleRecord:
    pairs: int
    key: str
    corpora: dict[str, int]


@dataclass(frozen=True, eq=False)
class Sample(Stage[SampleRecord]):
    """A sample: the pool's pairs of the smallest ranks under a key."""

    name: ClassVar[str] = "sample"
    version: ClassVar[int] = 3

    pool: Pool
    corpora: tuple[Clean, ...]
    limit: int | None
    """The number of pairs or tokens; all pairs if it is None."""
    by_tokens: bool
    key: str
    where: str | None = field(compare=False)
    """The place of the size in the experiment file; None if fewer pairs will do."""

    @property
    def languages(self) -> Languages:
        return self.pool.languages

    @property
    def pairs(self) -> File:
        """The stem of the two files, without languages."""
        return File(self, "train")

    def side(self, side: Side) -> File:
        return File(self, f"train.{self.languages[SIDES.index(side)]}")

    def build(self, to: Build) -> SampleRecord:
        from nmt_ablation.corpus import cleaned, pool

        texts = [cleaned.CleanCorpus(to.artifact(it), self.languages) for it in self.corpora]
        smallest = pool.draw(to.path(self.pool.places), self.limit, self.by_tokens, self.key)
        if self.where is not None and smallest.weight() < (self.limit or 1):
            unit = "tokens" if self.by_tokens else "pairs"
            asked = f"{self.limit:,} {unit}" if self.limit else "all pairs"
            has = smallest.weight()
            allowed = f"; allowed: up to {has:,}, or all" if has else ""
            raise UserError(
                f"{self.where}: asks for a sample of {asked}, and the pool has {has:,}{allowed}\n"
                + "\n".join(
                    to.record(self.pool).losses({it.label: to.record(it) for it in self.corpora})
                )
            )
        drawn = pool.write(smallest, texts, to.path(self.pairs), self.languages)
        labels = [corpus.label for corpus in self.corpora]
        return SampleRecord(sum(drawn), self.key, dict(zip(labels, drawn, strict=True)))


@dataclass(frozen=True, eq=False)
class NearDuplicates(Stage[dict[str, NearDuplicateCounts]]):
    """Counts of near-duplicates between a sample and the validation and test sets."""

    name: ClassVar[str] = "near-duplicates"
    version: ClassVar[int] = 2

    sample: Sample
    hold_out: HoldOut

    def build(self, to: Build) -> dict[str, NearDuplicateCounts]:
        from nmt_ablation.corpus import near_duplicates

        record = {}
        for name in reversed(SETS):
            held_out = [
                list(text.stream_lines(to.path(self.hold_out.side(name, side)))) for side in SIDES
            ]
            pairs = text.read_pairs(to.path(self.sample.pairs), self.sample.languages)
            record[name] = near_duplicates.NearDuplicates(*held_out).count(pairs)
        return record
