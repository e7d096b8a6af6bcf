"""The stage that prepares sentence pairs beside the pool, for networks to learn from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.errors import UserError
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.cleaned import Clean, Languages
from nmt_ablation.stages.pool import Apart, PoolRecord
from nmt_ablation.values import SIDES, Side

if TYPE_CHECKING:
    from nmt_ablation.corpus.hashes import Hashes

KEY = "further pairs"
"""The key by which the pairs are ordered, so that the first lines are a fair sample."""


@dataclass(frozen=True, eq=False)
class FurtherPairs(Stage[PoolRecord]):
    """Distinct pairs that have no side in common with a pool or with held-out sets.

    Sides are compared where they are of the same language, by their normal forms.
    """

    name: ClassVar[str] = "further-pairs"

    corpora: tuple[Clean, ...]
    languages: Languages
    apart: tuple[Apart, ...]
    """The experiments whose sentences the pairs must not have."""
    where: str = field(compare=False)
    """The place in the experiment file, for messages."""

    def side(self, side: Side) -> File:
        return File(self, f"pairs.{self.languages[SIDES.index(side)]}")

    def in_language(self, language: str) -> list[File]:
        """Return the files in a language."""
        return [
            self.side(side)
            for side, of in zip(SIDES, self.languages, strict=True)
            if of == language
        ]

    def build(self, to: Build) -> PoolRecord:
        from nmt_ablation.corpus import cleaned, pool
        from nmt_ablation.corpus.hold_out import KnownSides

        def known(of: Callable[[Apart, str, Build], Iterator["Hashes"]]) -> KnownSides:
            """Return what other experiments have in the language of each side."""
            source, target = (
                [hashes for it in self.apart for hashes in of(it, language, to)]
                for language in self.languages
            )
            return KnownSides(source, target)

        held_out, pooled = known(Apart.held_out), known(Apart.pooled)
        corpora = [cleaned.CleanCorpus(to.artifact(it), self.languages) for it in self.corpora]
        places = to.folder / "places.bin"
        counts = pool.build(corpora, held_out, to.folder, places, pooled)
        chosen = pool.draw(places, None, by_tokens=False, key=KEY)
        pool.write(chosen, corpora, to.folder / "pairs", self.languages)
        places.unlink()
        if not sum(counts.pool):
            raise UserError(
                f"{self.where}: each of its {sum(map(len, corpora)):,} pairs has a side in the "
                "pool or in a held-out set, so nothing is left to learn from; name other corpora"
            )
        return PoolRecord.of(self.corpora, counts)
