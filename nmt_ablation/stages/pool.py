"""The stage that pools clean pairs, apart from held-out sets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.corpus.records import CleanRecord
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.cleaned import Clean, Languages
from nmt_ablation.stages.held_out import SETS, HoldOut
from nmt_ablation.values import SIDES, Side

if TYPE_CHECKING:
    from nmt_ablation.corpus.hashes import Hashes
    from nmt_ablation.corpus.pool import Counts


@dataclass(frozen=True)
class Apart:
    """An experiment whose sentences other text must not have, side by side of one language."""

    pool: tuple[Clean, ...]
    """The corpora of its pool."""
    hold_out: HoldOut

    def held_out(self, language: str, to: Build) -> Iterator["Hashes"]:
        """Yield the hashed normal forms of held-out sentences in a language."""
        from nmt_ablation.corpus.measure import form_hashes

        for side in self._sides(language):
            for name in SETS:
                yield form_hashes(text.stream_lines(to.path(self.hold_out.side(name, side))))

    def pooled(self, language: str, to: Build) -> Iterator["Hashes"]:
        """Yield the hashed normal forms of the pool's sentences in a language."""
        from nmt_ablation.corpus.cleaned import CleanCorpus

        for side in self._sides(language):
            for corpus in self.pool:
                for rows in CleanCorpus(to.artifact(corpus), self.hold_out.languages).index():
                    yield rows[f"{side}_form"].copy()  # a view would keep the whole index in memory

    def _sides(self, language: str) -> Iterator[Side]:
        for side, of in zip(SIDES, self.hold_out.languages, strict=True):
            if of == language:
                yield side


def known_to(aparts: Sequence[Apart], language: str, to: Build) -> Iterator["Hashes"]:
    """Yield the hashed normal forms of all sentences in a language that others have."""
    for it in aparts:
        yield from it.held_out(language, to)
        yield from it.pooled(language, to)


@dataclass(frozen=True)
class PooledCorpus:
    """Numbers of one corpus's clean pairs: in the pool, and dropped."""

    pairs: int
    """Pairs in the pool."""
    duplicates: int
    dropped_as_leaks: int
    shared: int = 0
    """Other pairs that were dropped because another pool has one of their sides."""


@dataclass(frozen=True)
class PoolRecord:
    pairs: int
    corpora: dict[str, PooledCorpus]

    @classmethod
    def of(cls, corpora: Sequence[Clean], counts: "Counts") -> "PoolRecord":
        """Return the record of a pool of some corpora."""
        numbers = zip(counts.pool, counts.duplicates, counts.leaks, counts.shared, strict=True)
        of_corpora = zip(corpora, numbers, strict=True)
        return cls(sum(counts.pool), {it.label: PooledCorpus(*became) for it, became in of_corpora})

    def losses(self, cleaned: Mapping[str, CleanRecord]) -> Iterator[str]:
        """Yield a line for each corpus: its pairs, and what took some of them."""
        for label, record in cleaned.items():
            left = self.corpora[label]
            taken = {name: it.pairs for name, it in record.dropped.items()} | {
                "duplicates": left.duplicates,
                "with a held-out side": left.dropped_as_leaks,
                "with a side of another experiment": left.shared,
            }
            counts = ", ".join(f"{number:,} {name}" for name, number in taken.items() if number)
            yield (
                f"{label}: {record.read:,} pairs, {left.pairs:,} of them in the pool; dropped: "
                f"{counts or 'none'}"
            )


@dataclass(frozen=True, eq=False)
class Pool(Stage[PoolRecord]):
    """The places of all distinct pairs that may be trained on."""

    name: ClassVar[str] = "pool"
    version: ClassVar[int] = 2

    corpora: tuple[Clean, ...]
    """Corpora in the order of preference: among duplicates, the earliest corpus's pair is kept."""
    hold_out: HoldOut
    languages: Languages
    apart: tuple[Apart, ...] = ()
    """Other experiments, whose sentences the pool must not have."""

    @property
    def places(self) -> File:
        return File(self, "pool.bin")

    def build(self, to: Build) -> PoolRecord:
        from nmt_ablation.corpus import cleaned, hold_out, pool

        held_out = hold_out.KnownSides.of(
            pair
            for name in SETS
            for pair in text.read_pairs(to.path(self.hold_out.pairs(name)), self.languages)
        )
        corpora = [cleaned.CleanCorpus(to.artifact(it), self.languages) for it in self.corpora]
        others = hold_out.KnownSides(*(known_to(self.apart, it, to) for it in self.languages))
        counts = pool.build(corpora, held_out, to.folder, to.path(self.places), others)
        return PoolRecord.of(self.corpora, counts)
