"""The stage that checks a test set which was added after training."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.corpus.identify import SideLanguages
from nmt_ablation.errors import UserError
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.cleaned import Clean
from nmt_ablation.stages.further import FurtherPairs
from nmt_ablation.stages.held_out import HoldOut, Wanted, languages_of
from nmt_ablation.stages.monolingual import Monolingual
from nmt_ablation.stages.pool import Apart
from nmt_ablation.values import SIDES, Side

if TYPE_CHECKING:
    from nmt_ablation.corpus.hashes import Hashes

BLOCK = 1_000_000
"""Lines that are hashed at once."""


@dataclass(frozen=True)
class AddedRecord:
    """The pairs of a test set that was added after training."""

    pairs: int
    left_out: int
    """Pairs with a side that training could see."""
    languages: SideLanguages | None = None
    """The languages of all its pairs; None in artifacts of earlier versions."""


@dataclass(frozen=True, eq=False)
class AddTestSet(Stage[AddedRecord]):
    """A test set that was added after training, without the pairs that training could see."""

    name: ClassVar[str] = "added-test-set"

    wanted: Wanted
    corpora: tuple[Clean, ...]
    monolingual: tuple[Monolingual, ...]
    hold_out: HoldOut
    """The stage that has the validation set."""
    label: str = field(compare=False)
    """The place of the test set in the experiment file."""
    further: tuple[FurtherPairs, ...] = ()

    @property
    def pairs(self) -> File:
        """The stem of the two files, without languages."""
        return File(self, "pairs")

    def build(self, to: Build) -> AddedRecord:
        import numpy as np

        from nmt_ablation.corpus.hold_out import seen
        from nmt_ablation.corpus.measure import form_hashes

        languages = self.hold_out.languages
        given = self.wanted.given(to, languages)
        found = languages_of(given, languages, self.label)
        known = np.zeros(len(given), bool)
        for at, side in enumerate(SIDES):
            forms = form_hashes(pair[at] for pair in given)
            known |= seen(forms, self._training(side, to))
        left = [pair for pair, was_seen in zip(given, known, strict=True) if not was_seen]
        if not left:
            raise UserError(
                f"{self.label}: training could see each of its {len(given):,} sentences, so "
                "nothing is left to score"
            )
        text.write_pairs(left, to.path(self.pairs), languages)
        return AddedRecord(len(left), len(given) - len(left), found)

    def _training(self, side: Side, to: Build) -> Iterator["Hashes"]:
        """Yield the hashed normal forms of all text of a side that training could see."""
        from nmt_ablation.corpus.measure import form_hashes

        yield form_hashes(text.stream_lines(to.path(self.hold_out.side("valid", side))))
        language = self.hold_out.languages[SIDES.index(side)]
        yield from Apart(self.corpora, self.hold_out).pooled(language, to)
        texts = [it.text for it in self.monolingual if it.side == side]
        texts += [it for pairs in self.further for it in pairs.in_language(language)]
        for it in texts:
            lines = text.stream_lines(to.path(it))
            while (block := form_hashes(islice(lines, BLOCK))).size:
                yield block
