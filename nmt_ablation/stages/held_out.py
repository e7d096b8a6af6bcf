"""Stages that hold sets of pairs out: named sets, validation set, test sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.corpus.identify import SideLanguages
from nmt_ablation.corpus.text import Pair
from nmt_ablation.errors import UserError
from nmt_ablation.stage import Build, DataFile, File, Stage
from nmt_ablation.stages.cleaned import Clean, Languages
from nmt_ablation.values import SIDES, Side

SETS = ("test", "valid")


@dataclass(frozen=True)
class NamedSetRecord:
    name: str
    pairs: int


@dataclass(frozen=True, eq=False)
class NamedSet(Stage[NamedSetRecord]):
    """A test set that sacreBLEU knows."""

    name: ClassVar[str] = "test-set"
    needs_network: ClassVar[bool] = True

    test_set: str
    languages: Languages

    @property
    def pairs(self) -> File:
        """The stem of the two files, without languages."""
        return File(self, "pairs")

    def build(self, to: Build) -> NamedSetRecord:
        from nmt_ablation.corpus.test_set import named

        pairs = named(self.test_set, "-".join(self.languages))
        text.write_pairs(pairs, to.path(self.pairs), self.languages)
        return NamedSetRecord(self.test_set, len(pairs))


@dataclass(frozen=True)
class Wanted:
    """The pairs that a held-out set should have."""

    drawn: int
    """The number of pairs that are drawn from the first corpus."""
    files: tuple[DataFile, DataFile] | None
    test_set: NamedSet | None

    def given(self, to: Build, languages: Languages) -> list[Pair]:
        """Return the pairs that are given, not drawn."""
        if self.files is not None:
            return text.read_pair_of_files(self.files[0].path, self.files[1].path)
        if self.test_set is not None:
            return list(text.read_pairs(to.path(self.test_set.pairs), languages))
        return []


@dataclass(frozen=True)
class HeldOutRecord:
    pairs: int
    drawn: int
    languages: SideLanguages | None = None
    """The languages of the pairs that are given; None if there are none, and in artifacts of
    earlier versions."""


@dataclass(frozen=True, eq=False)
class HoldOut(Stage[dict[str, HeldOutRecord]]):
    """The validation and the test set: pairs that are given, and pairs drawn from a corpus."""

    name: ClassVar[str] = "hold-out"
    version: ClassVar[int] = 3

    test: Wanted | Mapping[str, Wanted]
    """The test set, or several by name."""
    valid: Wanted
    first: Clean | None
    """The corpus to draw from, if any pairs are drawn."""
    languages: Languages
    label: str = field(compare=False)
    """The corpus's name, for messages."""
    where: str = field(compare=False)
    """The experiment file, for messages."""

    def side(self, split: str, side: Side) -> File:
        return File(self, f"{split}.{self.languages[SIDES.index(side)]}")

    def pairs(self, split: str) -> File:
        """Return the stem of a set's two files, without languages."""
        return File(self, split)

    def test_set(self, name: str) -> File:
        """Return the stem of a test set's two files; `test` has the pairs of all."""
        return self.pairs("test" if isinstance(self.test, Wanted) else f"test-{name}")

    def build(self, to: Build) -> dict[str, HeldOutRecord]:
        from nmt_ablation.corpus import cleaned, hold_out

        if isinstance(self.test, Wanted):
            tests = {"test": self.test}
        else:
            tests = {f"test-{name}": it for name, it in self.test.items()}
        sets = {**tests, "valid": self.valid}
        wanted = {name: (it.drawn, it.given(to, self.languages)) for name, it in sets.items()}
        corpus = None
        if self.first is not None:
            corpus = cleaned.CleanCorpus(to.artifact(self.first), self.languages)
        chosen = hold_out.set_aside(corpus, wanted)
        for name, (number, pairs) in wanted.items():
            left = len(chosen[name]) - len(pairs)
            if left < number:
                raise UserError(
                    f"{self._key(name)} asks for {number} pairs, and {self.label}, the "
                    f"first of the corpora, has {left} left for it; ask for fewer, or put a larger "
                    "corpus first"
                )
            text.write_pairs(chosen[name], to.path(self.pairs(name)), self.languages)
        record = {
            name: HeldOutRecord(
                len(chosen[name]),
                sets[name].drawn,
                languages_of(wanted[name][1], self.languages, self._key(name)),
            )
            for name in sets
        }
        if "test" not in tests:
            whole = [pair for name in tests for pair in chosen[name]]
            text.write_pairs(whole, to.path(self.pairs("test")), self.languages)
            record["test"] = HeldOutRecord(len(whole), sum(it.drawn for it in tests.values()))
        return record

    def _key(self, name: str) -> str:
        """Return the place of a held-out set in the experiment file."""
        return f"{self.where}: {key_of(name)}"


def key_of(split: str) -> str:
    """Return the key of a held-out set: `held_out.test.news` for test-news."""
    return f"held_out.{split.replace('test-', 'test.', 1)}"


def languages_of(pairs: Sequence[Pair], languages: Languages, name: str) -> SideLanguages | None:
    """Return the languages of given pairs; None if there are none.

    Raises:
        UserError: the sides are swapped.
    """
    if not pairs:
        return None
    sources, targets = zip(*pairs, strict=True)
    return SideLanguages.of(sources, targets, languages, name)
