"""The stages from files to samples, and to text beside them."""

from collections.abc import Sequence
from pathlib import Path

from nmt_ablation.corpus.config import HeldOutSet, OwnText, TextFile
from nmt_ablation.experiment.file import ExperimentFile
from nmt_ablation.opus import fetch
from nmt_ablation.opus.corpora import ParallelCorpus
from nmt_ablation.opus.lock import Lock
from nmt_ablation.packed import opened, refuse_no_file
from nmt_ablation.pipeline.once import Maker, once
from nmt_ablation.places import Places
from nmt_ablation.pretrained.kind import TextName
from nmt_ablation.stage import DataFile, File
from nmt_ablation.stages.added import AddTestSet
from nmt_ablation.stages.cleaned import Clean, CleanMoses, CleanOwn, CleanXml, Fetch, Languages
from nmt_ablation.stages.further import FurtherPairs
from nmt_ablation.stages.held_out import HoldOut, NamedSet, Wanted
from nmt_ablation.stages.monolingual import Monolingual, Rest
from nmt_ablation.stages.pool import Apart, Pool
from nmt_ablation.stages.sample import NearDuplicates, Sample
from nmt_ablation.values import Side, Size, size_limit


class Texts(Maker):
    """The text of an experiment: corpora, held-out sets, samples, and text beside them.

    Args:
        file: the experiment.
        places: the folders of this machine.
        parents: if another experiment starts from a cell of this one, the name under which it does;
            before it, the name under which yet another starts from a cell of that.
        apart: those experiments, whose sentences no text may have.
    """

    def __init__(
        self,
        file: ExperimentFile,
        places: Places,
        parents: tuple[str, ...] = (),
        apart: tuple[Apart, ...] = (),
    ) -> None:
        super().__init__()
        self.file = file
        self.experiment = file.experiment
        self.places = places
        self.lock = Lock.beside(file.path)
        self.parents, self.apart_from = parents, apart
        self.own: dict[str, DataFile] = {}
        """The files of the user's own that stages were made of, by absolute path."""
        self.languages = self.experiment.source, self.experiment.target

    def fetch(self, file: str) -> Fetch:
        """Return the stage that fetches a file of OPUS."""
        return Fetch(file, self.places.mirror, self.lock, self.places.max_bytes)

    def own_files(self, corpus: OwnText) -> list[DataFile]:
        """Return the source and the target file of a corpus of the user's own."""
        names = corpus.source, corpus.target
        return [self.data_file(name, "a corpus consists of it") for name in names]

    @once
    def clean(self, corpus: ParallelCorpus | OwnText, languages: Languages | None = None) -> Clean:
        """Return the stage that filters a corpus's pairs, in the experiment's languages or in
        others."""
        limits, label = self.experiment.cleaning, str(corpus)
        languages = languages or self.languages
        if isinstance(corpus, OwnText):
            source, target = self.own_files(corpus)
            return CleanOwn(source, target, limits, languages, label)
        spelled = _pair(corpus.pair) if corpus.pair else languages
        if corpus.format == "xml":
            alignment, *documents = (
                fetch.alignment_file(corpus.corpus, *spelled),
                *(fetch.documents_file(corpus.corpus, language) for language in spelled),
            )
            return CleanXml(
                alignment=self.fetch(alignment).fetched,
                source=self.fetch(documents[0]).fetched,
                target=self.fetch(documents[1]).fetched,
                limits=limits,
                languages=languages,
                spelled=spelled,
                corpus=corpus.corpus.name,
                label=label,
            )
        return CleanMoses(
            pairs=self.fetch(fetch.parallel_file(corpus.corpus, *spelled)).fetched,
            limits=limits,
            languages=languages,
            spelled=spelled,
            min_score=corpus.min_score,
            label=label,
        )

    @once
    def hold_out(self) -> HoldOut:
        """Return the stage that sets the validation and the test set aside."""
        config = self.experiment.held_out
        tests = {name: it for name, it in config.sets.items() if not it.added}
        wanted = {name: self._wanted(it) for name, it in tests.items()}
        first = self.experiment.corpora.parallel[0]
        drawn = any(it.pairs for it in (config.valid, *tests.values()))
        return HoldOut(
            # One alone makes the same artifact whatever its name, so that others can be added.
            test=wanted if len(wanted) > 1 else next(iter(wanted.values())),
            valid=self._wanted(config.valid),
            first=self.clean(first) if drawn else None,
            languages=self.languages,
            label=str(first),
            where=str(self.file.path),
        )

    @once
    def added_test_set(self, name: str) -> AddTestSet:
        """Return the stage that checks a test set which was added after training."""
        texts = self.experiment.corpora.monolingual != "rest"  # the rest is of the corpora
        sides = self.experiment.corpora.text_sides() if texts else ()
        return AddTestSet(
            wanted=self._wanted(self.experiment.held_out.sets[name]),
            corpora=self.clean_corpora(),
            monolingual=tuple(map(self.monolingual, sides)),
            hold_out=self.hold_out(),
            label=f"{self.file.path}: held_out.test.{name}",
            further=tuple(map(self.further, self.experiment.corpora.further)),
        )

    def test_sets(self) -> dict[str, File]:
        """Return the stems of all test sets by name."""
        return {
            name: self.added_test_set(name).pairs if it.added else self.hold_out().test_set(name)
            for name, it in self.experiment.held_out.sets.items()
        }

    @once
    def pool(self) -> Pool:
        """Return the stage that lists all distinct pairs that may be trained on."""
        own = self.clean_corpora()
        return Pool(own, self.hold_out(), self.languages, self.apart_from)

    @once
    def sample(self, size: Size, seed: int) -> Sample:
        """Return the stage that draws the sample of a size and seed."""
        limit, by_tokens = size_limit(size)
        where = self.file.where(size)
        return self._sample(limit, by_tokens, _sample_key(seed), where)

    @once
    def near_duplicates(self, size: Size, seed: int) -> NearDuplicates:
        """Return the stage that counts near-duplicates between a sample and the held-out sets."""
        return NearDuplicates(self.sample(size, seed), self.hold_out())

    @once
    def monolingual(self, side: Side) -> Monolingual:
        """Return the stage that cleans one language's text."""
        limits = self.experiment.cleaning
        language = self.experiment.language(side)
        sources: list[File | DataFile] = []
        for corpus in self.experiment.corpora.texts(side):
            if isinstance(corpus, TextFile):
                sources.append(self.data_file(corpus.file, "a corpus consists of it"))
            else:
                file = fetch.monolingual_file(corpus.corpus, corpus.language or language)
                sources.append(self.fetch(file).fetched)
        return Monolingual(
            side,
            language,
            limits.unicode,
            tuple(sources),
            self.clean_corpora(),
            self.hold_out(),
            limits,
            self.apart_from,
        )

    @once
    def rest(self) -> Rest:
        """Return the stage that writes the rest of the pool as text."""
        limits = [size_limit(size) for size in self.experiment.sizes]
        largest = max(limit for limit, _ in limits if limit is not None)
        return Rest(
            self.pool(),
            self.clean_corpora(),
            largest,
            limits[0][1],
            tuple(map(_sample_key, self.experiment.seeds)),
            f"{self.file.path}: corpora.monolingual",
        )

    @once
    def further(self, name: str) -> FurtherPairs:
        """Return the stage that prepares sentence pairs beside the pool."""
        config = self.experiment.corpora.further[name]
        languages = self.languages_of(name)
        return FurtherPairs(
            tuple(self.clean(corpus, languages) for corpus in config.parallel),
            languages,
            self.apart(),
            f"{self.file.path}: corpora.further.{name}",
        )

    def text(self, side: Side) -> File:
        """Return the file of one language's text."""
        if self.experiment.corpora.monolingual == "rest":
            return self.rest().text(side)
        return self.monolingual(side).text

    def sides_of(
        self, name: TextName, sides: Sequence[Side], size: Size, seed: int
    ) -> dict[Side, File]:
        if name == "sample":
            return {side: self.sample(size, seed).side(side) for side in sides}
        if name in self.experiment.corpora.further:
            return {side: self.further(name).side(side) for side in sides}
        return {side: self.text(side) for side in sides}

    def apart(self) -> tuple[Apart, ...]:
        """Return this experiment, and those that start from it: no text beside the pool may have
        their sentences."""
        return (Apart(self.clean_corpora(), self.hold_out()), *self.apart_from)

    def languages_of(self, text: TextName) -> Languages:
        """Return the languages of both sides of a text."""
        named = self.experiment.corpora.further.get(text)
        return _pair(named.pair) if named and named.pair else self.languages

    def _sample(self, limit: int | None, by_tokens: bool, key: str, where: str | None) -> Sample:
        return Sample(self.pool(), self.clean_corpora(), limit, by_tokens, key, where)

    def clean_corpora(self) -> tuple[Clean, ...]:
        return tuple(self.clean(corpus) for corpus in self.experiment.corpora.parallel)

    def _wanted(self, config: HeldOutSet) -> Wanted:
        files = None
        if config.source is not None and config.target is not None:
            files = (
                self.data_file(config.source, "it is held out"),
                self.data_file(config.target, "it is held out"),
            )
        named = config.sacrebleu and NamedSet(config.sacrebleu, self.languages)
        return Wanted(config.pairs, files, named or None)

    def data_file(self, name: str, why: str) -> DataFile:
        return self.there(self.places.data / name, why)

    def there(self, path: Path, why: str) -> DataFile:
        """Return a file that the experiment names.

        Raises:
            UserError: there is no such file, nor was there in an earlier run, or it can't be read.
        """
        known = self.places.known.get(str(path.absolute()))
        if known is not None and not path.exists():
            return DataFile(path, known)
        remedy = "pass --data DIR or set NMT_ABLATION_DATA to the folder it stands in"
        refuse_no_file(path, f", and in {self.file.path} {why}; {remedy}")
        with opened(path):
            pass
        self.own[str(path.absolute())] = DataFile(path)
        return DataFile(path)


def _pair(pair: str) -> Languages:
    source, target = pair.split("-")
    return source, target


def _sample_key(seed: int) -> str:
    return f"sample: {seed}"
