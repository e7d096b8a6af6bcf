"""The stages of one experiment, from its blocks.

Stages only name their inputs; nothing runs until `Workspace.ensure`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from nmt_ablation.corpus.config import HeldOutSet, OwnText, TextFile
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Arm, Cell
from nmt_ablation.experiment.arms import Features
from nmt_ablation.experiment.file import ExperimentFile
from nmt_ablation.model.parts import EMBEDDINGS, Part
from nmt_ablation.objectives.auxiliary import Auxiliary
from nmt_ablation.opus import fetch
from nmt_ablation.opus.corpora import ParallelCorpus
from nmt_ablation.opus.lock import Lock
from nmt_ablation.places import Places
from nmt_ablation.pretrained.kind import Pretrained, PretrainedNetwork, TextName
from nmt_ablation.scoring.bleu import WITHOUT_SPACES
from nmt_ablation.stage import DataFile, File, Stage
from nmt_ablation.stages import corpora, pretrained, scoring, tokens, training
from nmt_ablation.stages.added import AddTestSet
from nmt_ablation.stages.back_translation import BackTranslate, Excerpt
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.stages.further import FurtherPairs
from nmt_ablation.stages.parent import Parent
from nmt_ablation.values import SIDES, Side, Size, size_limit

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")


def _once(method: Callable[Arguments, Made]) -> Callable[Arguments, Made]:
    """Have a method of `Pipeline` make each stage once."""

    @wraps(method)
    def remembered(*arguments: Arguments.args, **_: Arguments.kwargs) -> Made:
        pipeline, *rest = arguments
        assert isinstance(pipeline, Pipeline)
        key = method.__name__, *rest
        if key not in pipeline.made:
            pipeline.made[key] = method(*arguments, **_)
        made: Made = pipeline.made[key]
        return made

    return remembered


class Pipeline:
    """All stages of an experiment.

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
        apart: tuple[corpora.Apart, ...] = (),
    ) -> None:
        self.file = file
        self.experiment = file.experiment
        self.places = places
        self.lock = Lock.beside(file.path)
        self._parents, self._apart_from = parents, apart
        self.languages = self.experiment.source, self.experiment.target
        self.made: dict[Any, Any] = {}
        """Stages made so far, by method and arguments."""

    # From files to samples.

    def fetch(self, file: str) -> corpora.Fetch:
        """Return the stage that fetches a file of OPUS."""
        return corpora.Fetch(file, self.places.mirror, self.lock, self.places.max_bytes)

    def own_files(self, corpus: OwnText) -> list[Path]:
        """Return the source and the target file of a corpus of the user's own."""
        names = corpus.source, corpus.target
        return [self._data_file(name, "a corpus consists of it").path for name in names]

    @_once
    def clean(
        self, corpus: ParallelCorpus | OwnText, languages: corpora.Languages | None = None
    ) -> corpora.Clean:
        """Return the stage that filters a corpus's pairs, in the experiment's languages or in
        others."""
        limits, label = self.experiment.cleaning, str(corpus)
        languages = languages or self.languages
        if isinstance(corpus, OwnText):
            source, target = map(DataFile, self.own_files(corpus))
            return corpora.CleanOwn(source, target, limits, languages, label)
        spelled = _pair(corpus.pair) if corpus.pair else languages
        if corpus.format == "xml":
            alignment, *documents = (
                fetch.alignment_file(corpus.corpus, *spelled),
                *(fetch.documents_file(corpus.corpus, language) for language in spelled),
            )
            return corpora.CleanXml(
                alignment=self.fetch(alignment).fetched,
                source=self.fetch(documents[0]).fetched,
                target=self.fetch(documents[1]).fetched,
                limits=limits,
                languages=languages,
                spelled=spelled,
                corpus=corpus.corpus.name,
                label=label,
            )
        return corpora.CleanMoses(
            pairs=self.fetch(fetch.parallel_file(corpus.corpus, *spelled)).fetched,
            limits=limits,
            languages=languages,
            spelled=spelled,
            min_score=corpus.min_score,
            label=label,
        )

    @_once
    def hold_out(self) -> corpora.HoldOut:
        """Return the stage that sets the validation and the test set aside."""
        config = self.experiment.held_out
        tests = {name: it for name, it in config.sets.items() if not it.added}
        wanted = {name: self._wanted(it) for name, it in tests.items()}
        first = self.experiment.corpora.parallel[0]
        drawn = any(it.pairs for it in (config.valid, *tests.values()))
        return corpora.HoldOut(
            # One alone makes the same artifact whatever its name, so that others can be added.
            test=wanted if len(wanted) > 1 else next(iter(wanted.values())),
            valid=self._wanted(config.valid),
            first=self.clean(first) if drawn else None,
            languages=self.languages,
            label=str(first),
            where=str(self.file.path),
        )

    @_once
    def added_test_set(self, name: str) -> AddTestSet:
        """Return the stage that checks a test set which was added after training."""
        texts = self.experiment.corpora.monolingual != "rest"  # the rest is of the corpora
        sides = self.experiment.corpora.text_sides() if texts else ()
        return AddTestSet(
            wanted=self._wanted(self.experiment.held_out.sets[name]),
            corpora=self._clean_corpora(),
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

    @_once
    def pool(self) -> corpora.Pool:
        """Return the stage that lists all distinct pairs that may be trained on."""
        own = self._clean_corpora()
        return corpora.Pool(own, self.hold_out(), self.languages, self._apart_from)

    @_once
    def sample(self, size: Size, seed: int) -> corpora.Sample:
        """Return the stage that draws the sample of a size and seed."""
        limit, by_tokens = size_limit(size)
        where = self.file.where(size)
        return self._sample(limit, by_tokens, _sample_key(seed), where)

    @_once
    def near_duplicates(self, size: Size, seed: int) -> corpora.NearDuplicates:
        """Return the stage that counts near-duplicates between a sample and the held-out sets."""
        return corpora.NearDuplicates(self.sample(size, seed), self.hold_out())

    @_once
    def monolingual(self, side: Side) -> corpora.Monolingual:
        """Return the stage that cleans one language's text."""
        limits = self.experiment.cleaning
        language = self.experiment.language(side)
        sources: list[File | DataFile] = []
        for corpus in self.experiment.corpora.texts(side):
            if isinstance(corpus, TextFile):
                sources.append(self._data_file(corpus.file, "a corpus consists of it"))
            else:
                file = fetch.monolingual_file(corpus.corpus, corpus.language or language)
                sources.append(self.fetch(file).fetched)
        return corpora.Monolingual(
            side,
            language,
            limits.unicode,
            tuple(sources),
            self._clean_corpora(),
            self.hold_out(),
            limits,
            self._apart_from,
        )

    @_once
    def rest(self) -> corpora.Rest:
        """Return the stage that writes the rest of the pool as text."""
        limits = [size_limit(size) for size in self.experiment.sizes]
        largest = max(limit for limit, _ in limits if limit is not None)
        return corpora.Rest(
            self.pool(),
            self._clean_corpora(),
            largest,
            limits[0][1],
            tuple(map(_sample_key, self.experiment.seeds)),
            f"{self.file.path}: corpora.monolingual",
        )

    @_once
    def further(self, name: str) -> FurtherPairs:
        """Return the stage that prepares sentence pairs beside the pool."""
        config = self.experiment.corpora.further[name]
        languages = self._languages(name)
        return FurtherPairs(
            tuple(self.clean(corpus, languages) for corpus in config.parallel),
            languages,
            self._apart(),
            f"{self.file.path}: corpora.further.{name}",
        )

    def _apart(self) -> tuple[corpora.Apart, ...]:
        """Return this experiment, and those that start from it: no text beside the pool may have
        their sentences."""
        return (corpora.Apart(self._clean_corpora(), self.hold_out()), *self._apart_from)

    def _languages(self, text: TextName) -> corpora.Languages:
        """Return the languages of both sides of a text."""
        named = self.experiment.corpora.further.get(text)
        return _pair(named.pair) if named and named.pair else self.languages

    def text(self, side: Side) -> File:
        """Return the file of one language's text."""
        if self.experiment.corpora.monolingual == "rest":
            return self.rest().text(side)
        return self.monolingual(side).text

    def fetched(self) -> list[corpora.Fetch]:
        """Return the stages that fetch all files of OPUS."""
        sides = self.experiment.corpora.text_sides()
        others = map(self.further, self.experiment.corpora.further)
        tops = [*self._clean_corpora(), *(self.text(side).stage for side in sides), *others]
        needed = (stage for top in tops for stage in top.ancestors())
        found = [stage for stage in needed if isinstance(stage, corpora.Fetch)]
        of_parents = (it for name in self.file.parents for it in self.parent(name).fetched())
        return list(dict.fromkeys([*found, *of_parents]))

    # From samples to numbers.

    @_once
    def checkpoint(self, name: str) -> FetchPretrained:
        """Return the stage that fetches a checkpoint."""
        thing = self.experiment.pretrained[name]
        files = self._files(thing)
        return FetchPretrained(files, "" if files else thing.address, thing, self.places.data)

    @_once
    def segmentation(self, size: Size, seed: int) -> tokens.Segmentation:
        """Return the stage that fits the segmentation. It is the same for all sizes and seeds,
        unless it is fitted on the sample."""
        config = self.experiment.segmentation
        if config.fit_on == "monolingual":
            texts = {side: self.text(side) for side in SIDES}
        else:
            sample = self.sample(size, seed)
            if config.fit_on == "pool":
                sample = self._sample(corpora.FIT_PAIRS, False, "text of the pool", None)
            texts = {side: sample.side(side) for side in SIDES}
        also = tuple(
            {side: self.further(name).side(side) for side in SIDES} for name in config.also
        )
        checkpoint = config.checkpoint and self.checkpoint(config.checkpoint)
        return tokens.Segmentation(config, texts, checkpoint or None, also)

    @_once
    def binarise(self, size: Size, seed: int) -> tokens.Binarise:
        """Return the stage that binarises text for fairseq."""
        return tokens.Binarise(
            self.sample(size, seed),
            self.hold_out(),
            self.segmentation(size, seed),
            self.experiment.cleaning.unicode,
        )

    @_once
    def vectors(self, name: str, size: Size, seed: int) -> pretrained.Vectors:
        """Return the stage that makes the vectors of a pretrained thing."""
        thing, setting = self.experiment.vectors(name), self.experiment.setting
        text = thing.needed_text(setting)
        return pretrained.Vectors(
            kind_version=thing.version,
            made_with=thing.parameters(setting),
            files={} if thing.fetches else self._files(thing),
            texts=self._texts(text, thing.sides(setting), size, seed) if text else {},
            segmentation=self.segmentation(size, seed) if thing.segmented else None,
            fetched=self.checkpoint(name) if thing.fetches else None,
            thing=thing,
            setting=setting,
        )

    @_once
    def aligned(self, name: str, size: Size, seed: int) -> pretrained.Vectors | pretrained.Align:
        """Return the stage that aligns a thing's vectors, or else the stage that makes them."""
        thing = self.experiment.vectors(name)
        made = self.vectors(name, size, seed)
        if thing.align is None:
            return made
        lexicon: DataFile | str = thing.align.lexicon
        induced, words = lexicon == "induced", thing.unit == "word"
        if lexicon not in ("identical", "induced"):
            lexicon = self._data_file(thing.align.lexicon, "vectors are aligned by it")
        return pretrained.Align(
            made,
            thing.unit,
            lexicon,
            thing.align.rounds,
            seed,
            self.binarise(size, seed) if induced and not words else None,
            self.sample(size, seed) if induced and words else None,
        )

    def rows(self, arm: Arm, size: Size, seed: int) -> dict[Side, pretrained.Rows]:
        """Return the stages that write the embeddings that each side starts from, if from
        vectors."""
        return {
            side: self._rows(arm, side, size, seed)
            for side in SIDES
            if arm.starts.get(EMBEDDINGS[side]) in self.experiment.names_of_vectors
        }

    def _rows(self, arm: Arm, side: Side, size: Size, seed: int) -> pretrained.Rows:
        name, setting = arm.starts[EMBEDDINGS[side]], self.experiment.setting
        thing = self.experiment.vectors(name)
        text = thing.needed_text(setting) if thing.unit == "word" else None
        # Each side has its own permutation: under a common one, tokens of both would stay matched.
        shuffle = (seed, SIDES.index(side)) if arm.control == "shuffled" else None
        return pretrained.Rows(
            side=side,
            made=self.aligned(name, size, seed),
            segmentation=self.segmentation(size, seed),
            binarise=self.binarise(size, seed),
            words=self._texts(text, (side,), size, seed)[side] if text else None,
            respelled=thing.respelled,
            matched=arm.scale == "matched",
            dimension=None if arm.dimension == "projection" else setting.dimension,
            pca=arm.dimension == "pca",
            mean=thing.missing == "mean",
            shuffle=shuffle,
        )

    @_once
    def network(self, name: str, size: Size, seed: int) -> pretrained.Network:
        """Return the stage that trains a network. It is the same for all cells, but for its text if
        that is the sample, and for its seed if that is the cell's."""
        thing, setting = self.experiment.network(name), self.experiment.setting
        texts = self._texts(thing.text, thing.sides(setting), size, seed)
        return pretrained.Network(
            kind_version=thing.version,
            made_with=thing.parameters(setting),
            texts=self._binarised(texts, thing.text, thing.lines, size, seed),
            languages=self._languages(thing.text),
            segmentation=self.segmentation(size, seed),
            seed=thing.seed_of(seed),
            thing=thing,
            setting=setting,
            label="-".join([*self._parents, name, *self._of_network(thing, size, seed)]),
        )

    @staticmethod
    def _of_network(thing: PretrainedNetwork, size: Size, seed: int) -> Iterator[str]:
        """Yield what tells networks of one name apart: the sample's size, and the seed."""
        if thing.text == "sample":
            yield str(size)
        if thing.text == "sample" or thing.seed_of(seed) != thing.seed_of(seed + 1):
            yield f"s{seed}"

    @_once
    def parent(self, name: str) -> "Pipeline":
        """Return the pipeline of a parent's experiment."""
        parents = *self._parents, name
        return Pipeline(self.file.parents[name], self.places, parents, self._apart())

    @_once
    def adopted(self, name: str, size: Size, seed: int) -> Parent:
        """Return the stage that fits a parent to the dictionary."""
        thing, there = self.experiment.parent(name), self.parent(name)
        cell = there.file.cell(thing.cell)
        matching = thing.rows == "matching"
        return Parent(
            there.model(cell),
            there.segmentation(cell.size, cell.seed),
            self.segmentation(size, seed),
            matching,
            0 if matching else seed,
        )

    def networks(self, arm: Arm, size: Size, seed: int) -> dict[Part, pretrained.Weights[Any]]:
        """Return the stages with the networks and parents that parts start from."""
        return {
            part: (self.adopted if name in self.file.parents else self.network)(name, size, seed)
            for part, name in self.experiment.network_starts(arm).items()
        }

    @_once
    def reverse(self, size: Size, seed: int) -> training.Train:
        """Return the stage that trains a random model of the other direction."""
        experiment = self.experiment
        label = "-".join(("network", *self._parents, "reverse", f"{size}-s{seed}"))
        spaced = not experiment.source.startswith(WITHOUT_SPACES)
        return training.Train(
            binarise=replace(self.binarise(size, seed), backwards=True),
            segmentation=self.segmentation(size, seed),
            rows={},
            projection=False,
            networks={},
            control=None,
            tuning={},
            tying=experiment.model.tying,
            model=experiment.model.model_copy(update={"tying": "none"}),
            training=experiment.training.at(experiment.training.rates[0], size),
            seed=seed,
            bleu_tokenizer="13a" if spaced else "zh",
            label=label,
            events=self.places.events and self.places.events / label,
            alone=True,
        )

    @_once
    def back_translate(self, arm: str, size: Size, seed: int) -> BackTranslate:
        """Return the stage that translates target text back for an arm."""
        config = self.experiment.arms[arm].back_translation
        assert config is not None
        excerpt = Excerpt(
            self.text("target"),
            self.sample(size, seed),
            config.ratio,
            self.experiment.cleaning.unicode,
            f"{self.file.path}: arms.{arm}.back_translation",
        )
        reverse = self.reverse(size, seed)
        return BackTranslate(
            reverse,
            reverse.binarise,
            reverse.segmentation,
            excerpt,
            self.experiment.decoding,
            self.experiment.training.threads,
        )

    # From numbers to scores.

    @_once
    def model(self, cell: Cell) -> training.Train | training.Choose:
        """Return the stage that trains a cell's model, or that chooses it among several."""
        trainings = self.trainings(cell)
        return trainings[0] if len(trainings) == 1 else training.Choose(trainings)

    def trainings(self, cell: Cell) -> tuple[training.Train, ...]:
        """Return the stages that train a cell's model, at each learning rate."""
        return tuple(self.train(cell, rate) for rate in self.experiment.training.rates)

    @_once
    def train(self, cell: Cell, rate: float | None = None) -> training.Train:
        """Return the stage that trains a cell's model at a learning rate, or else at the first."""
        arm, experiment = self.experiment.arms[cell.arm], self.experiment
        networks = self.networks(arm, cell.size, cell.seed)
        rates = experiment.training.rates
        rate = rates[0] if rate is None else rate
        label = "-".join(("network", *self._parents)) if self._parents else str(cell)
        label += f"-at-{rate:g}" if len(rates) > 1 else ""
        binarise = self.binarise(cell.size, cell.seed)
        if arm.back_translation:
            pairs = self.back_translate(cell.arm, cell.size, cell.seed)
            binarise = replace(binarise, synthetic=pairs, tagged=arm.back_translation.tagged)
        return training.Train(
            binarise=binarise,
            segmentation=self.segmentation(cell.size, cell.seed),
            rows=self.rows(arm, cell.size, cell.seed),
            projection=arm.dimension == "projection",
            networks=networks,
            control=arm.control if networks else None,
            tuning={part: tuple(ways) for part, ways in arm.tunings.items()},
            tying=experiment.tying(arm),
            # Tying is the arm's, so the model's would change no artifact.
            model=experiment.model.model_copy(update={"tying": "none"}),
            training=experiment.training.at(rate, cell.size),
            seed=cell.seed,
            bleu_tokenizer=experiment.scoring.bleu_tokenizer,
            label=label,
            events=self.places.events and self.places.events / label,
            auxiliary=tuple(
                self._beside(name, auxiliary, cell.size, cell.seed)
                for name, auxiliary in arm.auxiliary.items()
            ),
            features=tuple(
                self._fed_by(side, features, cell.size, cell.seed)
                for side, features in arm.features.items()
            ),
            alone=bool(self._parents) or len(rates) > 1,
        )

    def _fed_by(self, side: Side, features: Features, size: Size, seed: int) -> training.FedBy:
        """Return features with the stage that trains their network."""
        stack, views = self.experiment.network(features.of).reads
        return training.FedBy(
            side,
            None if features.control else self.network(features.of, size, seed),
            stack,
            # A decoder reads from left to right, also through a network of both directions.
            views if side == "source" else ("earlier",),
            features.enters == "instead",
            features.tuned,
        )

    def _beside(self, name: str, auxiliary: Auxiliary, size: Size, seed: int) -> training.Beside:
        """Return an auxiliary objective with the stages of its text."""
        objective_name, objective = auxiliary.named(name)
        texts = self._texts(auxiliary.text, auxiliary.sides(objective), size, seed)
        return training.Beside(
            made_with={
                **auxiliary.model_dump(mode="json", exclude={"text", "languages", "lines"}),
                "objective": {objective_name: objective.model_dump(mode="json")},
                "version": objective.version,
            },
            texts=self._binarised(texts, auxiliary.text, auxiliary.lines, size, seed),
            languages=self._languages(auxiliary.text),
            name=name,
            objective=objective,
            settings=auxiliary,
        )

    def _binarised(
        self, texts: Mapping[Side, File], name: TextName, lines: int | None, size: Size, seed: int
    ) -> dict[Side, tokens.BinariseText]:
        """Return the stages that binarise text for objectives."""
        languages = dict(zip(SIDES, self._languages(name), strict=True))
        return {
            side: tokens.BinariseText(
                text,
                lines,
                languages[side],
                self.segmentation(size, seed),
                side,
                self.experiment.cleaning.unicode,
                f"the {name} text in {languages[side]}",
            )
            for side, text in texts.items()
        }

    @_once
    def translate(self, cell: Cell, test_set: str) -> scoring.Translate:
        """Return the stage that translates a test set."""
        return scoring.Translate(
            self.model(cell),
            self.test_sets()[test_set],
            self.binarise(cell.size, cell.seed),
            self.segmentation(cell.size, cell.seed),
            self.experiment.decoding,
            self.experiment.training.threads,
            self.experiment.cleaning.unicode,
        )

    @_once
    def score(self, cell: Cell) -> scoring.Score:
        """Return the stage that scores a cell."""
        return scoring.Score(
            {
                name: scoring.Translated(test_set, self.translate(cell, name))
                for name, test_set in self.test_sets().items()
            },
            self.experiment.held_out.weights,
            self.binarise(cell.size, cell.seed),
            self.hold_out(),
            self.experiment.scoring.metrics,
        )

    @_once
    def compare(self, cell: Cell) -> scoring.Compare:
        """Return the stage that compares a cell with the baseline of its size and seed."""
        baseline = cell.model_copy(update={"arm": self.experiment.baseline})
        return scoring.Compare(
            self.score(cell), self.score(baseline), self.experiment.scoring.metrics
        )

    @_once
    def resamples(self, cell: Cell) -> scoring.Resample:
        """Return the stage that scores a cell on resamples of the test set."""
        return scoring.Resample(self.score(cell), self.experiment.scoring.metrics)

    def scores(self, cells: Sequence[Cell]) -> list[Stage[Any]]:
        """Return the final stages of some cells: their scores, also on resamples, their comparisons
        with the baseline, and the near-duplicates in their samples.

        A comparison is built by the job that finishes the second of its two cells.
        """
        baseline = self.experiment.baseline
        compared = [
            other
            for other in self.experiment.cells()
            if other.arm != baseline
            and (other in cells or other.model_copy(update={"arm": baseline}) in cells)
        ]
        own = [stage for cell in cells for stage in (self.score(cell), self.resamples(cell))]
        alike = [self.near_duplicates(cell.size, cell.seed) for cell in cells]
        return [*own, *map(self.compare, compared), *dict.fromkeys(alike)]

    def calibration(self) -> training.Calibrate:
        """Return the stage that times an update."""
        config = self.experiment.training
        return training.Calibrate(
            self.experiment.model,
            config.batch_tokens,
            config.precision,
            config.threads,
            config.accumulate,
            config.processes,
            self.experiment.segmentation.size,
            config.at(config.rates[0]),
        )

    def preparation(self, cells: Sequence[Cell] = ()) -> list[Stage[Any]]:
        """Return all stages that trainings of these cells need, but for networks, which are trained
        too; those of all cells if none are given.
        """
        cells = cells or self.experiment.cells()
        samples = [self.sample(cell.size, cell.seed) for cell in reversed(cells)]
        alike = [self.near_duplicates(cell.size, cell.seed) for cell in cells]
        needed = [it for cell in cells for it in _untrained(self.train(cell))]
        added = [test_set.stage for test_set in self.test_sets().values()]
        return list(dict.fromkeys([*samples, *alike, *added, *needed]))

    def networks_of(self, cells: Sequence[Cell]) -> dict[str, pretrained.Network | training.Train]:
        """Return the networks and parents that some cells need, by the names of their jobs; each
        comes behind those that it needs itself."""
        found: dict[str, pretrained.Network | training.Train] = {}
        for cell in cells:
            for stage in self.train(cell).ancestors():
                if isinstance(stage, pretrained.Network | training.Train) and stage.alone:
                    found[stage.title] = stage
            for own in self.trainings(cell):
                found.pop(own.title, None)
        return found

    def _sample(
        self, limit: int | None, by_tokens: bool, key: str, where: str | None
    ) -> corpora.Sample:
        return corpora.Sample(self.pool(), self._clean_corpora(), limit, by_tokens, key, where)

    def _clean_corpora(self) -> tuple[corpora.Clean, ...]:
        return tuple(self.clean(corpus) for corpus in self.experiment.corpora.parallel)

    def _texts(
        self, name: TextName, sides: Sequence[Side], size: Size, seed: int
    ) -> dict[Side, File]:
        if name == "sample":
            return {side: self.sample(size, seed).side(side) for side in sides}
        if name in self.experiment.corpora.further:
            return {side: self.further(name).side(side) for side in sides}
        return {side: self.text(side) for side in sides}

    def _wanted(self, config: HeldOutSet) -> corpora.Wanted:
        files = None
        if config.source is not None and config.target is not None:
            files = (
                self._data_file(config.source, "it is held out"),
                self._data_file(config.target, "it is held out"),
            )
        named = config.sacrebleu and corpora.NamedSet(config.sacrebleu, self.languages)
        return corpora.Wanted(config.pairs, files, named or None)

    def _files(self, thing: Pretrained) -> Mapping[str, DataFile]:
        """Return the user's files that a pretrained thing is made of."""
        files = thing.files(self.places.data)
        return {name: self._there(path, "vectors come from it") for name, path in files.items()}

    def _data_file(self, name: str, why: str) -> DataFile:
        return self._there(self.places.data / name, why)

    def _there(self, path: Path, why: str) -> DataFile:
        """Return a file that the experiment names.

        Raises:
            UserError: there is no such file.
        """
        if not path.is_file():
            raise UserError(
                f"{path}: there is no such file, and in {self.file.path} {why}; pass --data DIR or "
                "set NMT_ABLATION_DATA to the folder it stands in"
            )
        return DataFile(path)


def _untrained(stage: Stage[Any]) -> Iterator[Stage[Any]]:
    """Yield the last stages before a training that need nothing that is trained."""
    for needed in stage.inputs.values():
        if needed.alone or needed.waits:
            yield from _untrained(needed)
        else:
            yield needed


def _pair(pair: str) -> corpora.Languages:
    source, target = pair.split("-")
    return source, target


def _sample_key(seed: int) -> str:
    return f"sample: {seed}"
