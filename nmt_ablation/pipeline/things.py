"""The stages from text to tokens, and to everything pretrained."""

from collections.abc import Iterator, Mapping

from nmt_ablation.experiment import Arm
from nmt_ablation.model.config import Model
from nmt_ablation.model.parts import EMBEDDINGS, PARTS, Part
from nmt_ablation.pipeline.once import once
from nmt_ablation.pipeline.texts import Texts
from nmt_ablation.pretrained.kind import Pretrained, PretrainedNetwork, TextName
from nmt_ablation.stage import DataFile, File
from nmt_ablation.stages import pretrained, tokens
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.stages.published import Published
from nmt_ablation.stages.retrieval import Retrieval
from nmt_ablation.stages.sample import FIT_PAIRS
from nmt_ablation.values import SIDES, Side, Size


class Things(Texts):
    """Segmentation, binary data, vectors, networks and parents."""

    @once
    def checkpoint(self, name: str) -> FetchPretrained:
        """Return the stage that fetches a checkpoint."""
        thing = self.experiment.pretrained[name]
        files = self._files(thing)
        return FetchPretrained(files, "" if files else thing.address, thing, self.places.data)

    @once
    def segmentation(self, size: Size, seed: int) -> tokens.Segmentation:
        """Return the stage that fits the segmentation. It is the same for all sizes and seeds,
        unless it is fitted on the sample."""
        config = self.experiment.segmentation
        if config.fit_on == "monolingual":
            texts = {side: self.text(side) for side in SIDES}
        else:
            sample = self.sample(size, seed)
            if config.fit_on == "pool":
                sample = self._sample(FIT_PAIRS, False, "text of the pool", None)
            texts = {side: sample.side(side) for side in SIDES}
        also = tuple(
            {side: self.further(name).side(side) for side in SIDES} for name in config.also
        )
        checkpoint = config.checkpoint and self.checkpoint(config.checkpoint)
        return tokens.Segmentation(config, texts, checkpoint or None, also)

    @once
    def binarise(self, size: Size, seed: int) -> tokens.Binarise:
        """Return the stage that binarises text for fairseq."""
        return tokens.Binarise(
            self.sample(size, seed),
            self.hold_out(),
            self.segmentation(size, seed),
            self.experiment.cleaning.unicode,
        )

    def binarised(
        self, texts: Mapping[Side, File], name: TextName, lines: int | None, size: Size, seed: int
    ) -> dict[Side, tokens.BinariseText]:
        """Return the stages that binarise text for objectives."""
        languages = dict(zip(SIDES, self.languages_of(name), strict=True))
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

    @once
    def vectors(self, name: str, size: Size, seed: int) -> pretrained.Vectors:
        """Return the stage that makes the vectors of a pretrained thing."""
        thing, setting = self.experiment.vectors(name), self.experiment.setting
        text = thing.needed_text(setting)
        return pretrained.Vectors(
            kind_version=thing.version,
            made_with=thing.parameters(setting),
            files={} if thing.fetches else self._files(thing),
            texts=self.sides_of(text, thing.sides(setting), size, seed) if text else {},
            segmentation=self.segmentation(size, seed) if thing.segmented else None,
            fetched=self.checkpoint(name) if thing.fetches else None,
            thing=thing,
            setting=setting,
        )

    @once
    def aligned(self, name: str, size: Size, seed: int) -> pretrained.Vectors | pretrained.Align:
        """Return the stage that aligns a thing's vectors, or else the stage that makes them."""
        thing = self.experiment.vectors(name)
        made = self.vectors(name, size, seed)
        if thing.align is None:
            return made
        lexicon: DataFile | str = thing.align.lexicon
        induced, words = lexicon == "induced", thing.unit == "word"
        if lexicon not in ("identical", "induced"):
            lexicon = self.data_file(thing.align.lexicon, "vectors are aligned by it")
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
            words=self.sides_of(text, (side,), size, seed)[side] if text else None,
            respelled=thing.respelled,
            matched=arm.scale == "matched",
            dimension=None if arm.dimension == "projection" else setting.dimension,
            pca=arm.dimension == "pca",
            mean=thing.missing == "mean",
            shuffle=shuffle,
        )

    @once
    def network(self, name: str, size: Size, seed: int) -> pretrained.Network:
        """Return the stage that trains a network. It is the same for all cells, but for its text if
        that is the sample, and for its seed if that is the cell's."""
        thing, setting = self.experiment.network(name), self.experiment.setting
        texts = self.sides_of(thing.text, thing.sides(setting), size, seed)
        return pretrained.Network(
            kind_version=thing.version,
            made_with=thing.parameters(setting),
            texts=self.binarised(texts, thing.text, thing.lines, size, seed),
            languages=self.languages_of(thing.text),
            segmentation=self.segmentation(size, seed),
            seed=thing.seed_of(seed),
            thing=thing,
            setting=setting,
            label="-".join([*self.parents, name, *self._of_network(thing, size, seed)]),
            where=f"{self.file.path}: pretrained.{name}",
        )

    @once
    def published(self, name: str, size: Size, seed: int) -> Published:
        """Return the stage that fits a published model to the dictionary. It has all parts that
        any arm starts from.

        Raises:
            UserError: a local model lacks one of them, or is of another shape.
        """
        experiment = self.experiment
        started = {
            part
            for arm in experiment.arms.values()
            for part, thing in arm.starts.items()
            if thing == name
        }
        parts = tuple(part for part in PARTS if part in started)
        model = experiment.model.model_copy(update={"dropout": 0.0, "tying": "none"})
        return self._published(name, model, parts, self.segmentation(size, seed))

    @once
    def retrieval(self, name: str) -> Retrieval:
        """Return the stage that measures how well a published encoder finds translations."""
        return Retrieval(self.checkpoint(name), self.hold_out())

    @once
    def read_by(self, name: str, drawn: bool, size: Size, seed: int) -> Published:
        """Return the stage with a published encoder in its own architecture, for features.

        Args:
            drawn: leave all of its weights as they are drawn.
        """
        parts: tuple[Part, ...] = () if drawn else ("source-embeddings", "encoder-layers")
        return self._published(name, None, parts, self.segmentation(size, seed))

    def _published(
        self,
        name: str,
        model: Model | None,
        parts: tuple[Part, ...],
        segmentation: tokens.Segmentation,
    ) -> Published:
        """Return the stage of a published model, whose shape is checked if it is a local one."""
        fetched = self.checkpoint(name)
        stage = Published(
            fetched, segmentation, model, parts, f"{self.file.path}: pretrained.{name}"
        )
        stage.shape()  # which checks a local model
        return stage

    @staticmethod
    def _of_network(thing: PretrainedNetwork, size: Size, seed: int) -> Iterator[str]:
        """Yield what tells networks of one name apart: the sample's size, and the seed."""
        if thing.text == "sample":
            yield str(size)
        if thing.text == "sample" or thing.seed_of(seed) != thing.seed_of(seed + 1):
            yield f"s{seed}"

    def _files(self, thing: Pretrained) -> Mapping[str, DataFile]:
        """Return the user's files that a pretrained thing is made of."""
        files = thing.files(self.places.data)
        return {name: self.there(path, "vectors come from it") for name, path in files.items()}
