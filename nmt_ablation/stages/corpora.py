"""Stages from files to samples: fetch, clean, hold out, pool, sample.

Modules that take long to import are imported in `build`, so that planning is quick.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from nmt_ablation.corpus import text
from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.identify import SideLanguages
from nmt_ablation.corpus.records import CleanRecord, NearDuplicateCounts, RestRecord, TextRecord
from nmt_ablation.corpus.text import Pair
from nmt_ablation.errors import UserError
from nmt_ablation.opus import fetch
from nmt_ablation.opus.fetch import FetchRecord
from nmt_ablation.opus.lock import Lock
from nmt_ablation.progress import OnProgress
from nmt_ablation.stage import Build, DataFile, File, Stage
from nmt_ablation.values import SIDES, Side, UnicodeForm

if TYPE_CHECKING:
    from nmt_ablation.corpus.clean import Cleaner
    from nmt_ablation.corpus.hashes import Hashes
    from nmt_ablation.corpus.pool import Counts
    from nmt_ablation.corpus.read import RawBlock

Languages = tuple[str, str]
"""The source and the target language."""
SETS = ("test", "valid")
FIT_PAIRS = 1_000_000
"""Pairs of the pool that a segmentation is fitted on; more hardly change the subwords."""


@dataclass(frozen=True, eq=False)
class Fetch(Stage[FetchRecord]):
    """One file of OPUS."""

    name: ClassVar[str] = "fetch"
    resumable: ClassVar[bool] = True
    needs_network: ClassVar[bool] = True

    file: str
    """The path in OPUS's layout."""
    mirror: str | None = field(compare=False)
    lock: Lock = field(compare=False)
    max_bytes: int | None = field(compare=False)

    @property
    def fetched(self) -> File:
        return File(self, Path(self.file).name)

    def build(self, to: Build) -> FetchRecord:
        return fetch.fetch(
            self.file, self.mirror, to.folder, to.progress, self.lock, self.max_bytes
        )


class Clean(Stage[CleanRecord]):
    """A corpus's pairs that pass the filters."""

    limits: Cleaning
    languages: Languages
    label: str

    @property
    def names(self) -> tuple[str, str]:
        """The names of the source and the target file, for messages."""
        return self.label, self.label

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        """Yield the corpus's pairs as they are.

        Args:
            path: a function that finds a file of OPUS.
        """
        raise NotImplementedError

    def cleaner(self) -> "Cleaner":
        """Return the filters."""
        from nmt_ablation.corpus.clean import Cleaner

        return Cleaner(self.limits, self.languages, self.names)

    def build(self, to: Build) -> CleanRecord:
        from nmt_ablation.corpus import cleaned

        cleaner = self.cleaner()
        pairs = cleaner.blocks(self.blocks(to.path, to.progress))
        cleaned.write(pairs, to.folder, self.languages)
        return cleaner.record()


@dataclass(frozen=True, eq=False)
class CleanMoses(Clean):
    """A corpus's pairs that pass the filters, from a file of lines for each side."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 3

    pairs: File
    limits: Cleaning
    languages: Languages
    spelled: Languages
    """The languages as the corpus spells them."""
    min_score: float | None
    label: str = field(compare=False)

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        from nmt_ablation.corpus import read

        scored = self.min_score is not None
        return read.moses_pairs(path(self.pairs), self.spelled, scored, progress)

    def cleaner(self) -> "Cleaner":
        from nmt_ablation.corpus.clean import Cleaner

        return Cleaner(self.limits, self.languages, self.names, self.min_score)


@dataclass(frozen=True, eq=False)
class CleanXml(Clean):
    """A corpus's pairs that pass the filters, from documents and their alignment."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 3

    alignment: File
    source: File
    target: File
    limits: Cleaning
    languages: Languages
    spelled: Languages
    corpus: str
    label: str = field(compare=False)

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        from nmt_ablation.corpus import read

        documents = path(self.source), path(self.target)
        return read.xml_pairs(path(self.alignment), documents, self.corpus, self.spelled)


@dataclass(frozen=True, eq=False)
class CleanOwn(Clean):
    """A corpus's pairs that pass the filters, from two files of the user's own."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 3

    source: DataFile
    target: DataFile
    limits: Cleaning
    languages: Languages
    label: str = field(compare=False)

    @property
    def names(self) -> tuple[str, str]:
        return str(self.source.path), str(self.target.path)

    def blocks(self, path: Callable[[File], Path], progress: OnProgress) -> Iterator["RawBlock"]:
        from nmt_ablation.corpus import read

        return read.own_pairs([self.source.path, self.target.path], progress)


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
                f"{self.where}: a sample of {asked}, and the pool has {has:,}{allowed}\n"
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
