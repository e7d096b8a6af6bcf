"""The stages that train the models of cells, and of the other direction."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from nmt_ablation.experiment import Arm, Cell
from nmt_ablation.experiment.arms import Features
from nmt_ablation.model.parts import Part
from nmt_ablation.objectives.auxiliary import Auxiliary
from nmt_ablation.pipeline.once import once
from nmt_ablation.pipeline.things import Things
from nmt_ablation.scoring.bleu import WITHOUT_SPACES
from nmt_ablation.stage import AnyStage
from nmt_ablation.stages import training
from nmt_ablation.stages.back_translation import BackTranslate, Excerpt
from nmt_ablation.stages.cleaned import Fetch
from nmt_ablation.stages.parent import Parent
from nmt_ablation.stages.pretrained import Network, Weights
from nmt_ablation.stages.published import Published
from nmt_ablation.values import Side, Size


class Trainings(Things):
    """The trainings of cells, and the models that they start from or that make pairs for them."""

    @once
    def parent(self, name: str) -> Self:
        """Return the pipeline of a parent's experiment."""
        parents = *self.parents, name
        return type(self)(self.file.parents[name], self.places, parents, self.apart())

    @once
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

    def networks(self, arm: Arm, size: Size, seed: int) -> dict[Part, Weights[Any]]:
        """Return the stages with the networks, parents and published models that parts start
        from."""
        return {
            part: self._weights(name)(name, size, seed)
            for part, name in self.experiment.network_starts(arm).items()
        }

    def _weights(self, name: str) -> Callable[[str, Size, int], Weights[Any]]:
        """Return the method that makes the stage of a thing's weights."""
        if name in self.file.parents:
            return self.adopted
        return self.published if self.experiment.pretrained[name].fetches else self.network

    def fetched(self) -> list[Fetch]:
        """Return the stages that fetch all files of OPUS."""
        sides = self.experiment.corpora.text_sides()
        others = map(self.further, self.experiment.corpora.further)
        tops = [*self.clean_corpora(), *(self.text(side).stage for side in sides), *others]
        needed = (stage for top in tops for stage in top.ancestors())
        found = [stage for stage in needed if isinstance(stage, Fetch)]
        of_parents = (it for name in self.file.parents for it in self.parent(name).fetched())
        return list(dict.fromkeys([*found, *of_parents]))

    @once
    def reverse(self, size: Size, seed: int) -> training.Train:
        """Return the stage that trains a random model of the other direction."""
        experiment = self.experiment
        label = "-".join(("network", *self.parents, "reverse", f"{size}-s{seed}"))
        spaced = not experiment.source.startswith(WITHOUT_SPACES)
        return replace(
            self._train(Arm(), size, seed, experiment.training.rates[0], label),
            binarise=replace(self.binarise(size, seed), backwards=True),
            bleu_tokenizer="13a" if spaced else "zh",
            alone=True,
        )

    @once
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

    @once
    def model(self, cell: Cell) -> training.Train | training.Choose:
        """Return the stage that trains a cell's model, or that chooses it among several."""
        trainings = self.trainings(cell)
        return trainings[0] if len(trainings) == 1 else training.Choose(trainings)

    def training_of(self, cell: Cell, record: Callable[[AnyStage], Any]) -> training.Train:
        """Return the training that a cell's scores are of, by the records of stages."""
        model = self.model(cell)
        return model.chosen(record(model)) if isinstance(model, training.Choose) else model

    def trainings(self, cell: Cell) -> tuple[training.Train, ...]:
        """Return the stages that train a cell's model, at each learning rate."""
        return tuple(self.train(cell, rate) for rate in self.experiment.training.rates)

    @once
    def train(self, cell: Cell, rate: float | None = None) -> training.Train:
        """Return the stage that trains a cell's model at a learning rate, or else at the first."""
        arm, rates = self.experiment.arms[cell.arm], self.experiment.training.rates
        rate = rates[0] if rate is None else rate
        label = "-".join(("network", *self.parents)) if self.parents else str(cell)
        label += f"-at-{rate:g}" if len(rates) > 1 else ""
        found = self._train(arm, cell.size, cell.seed, rate, label)
        if arm.back_translation:
            pairs = self.back_translate(cell.arm, cell.size, cell.seed)
            tagged = arm.back_translation.tagged
            binarise = replace(found.binarise, synthetic=pairs, tagged=tagged)
            found = replace(found, binarise=binarise)
        return replace(found, alone=bool(self.parents) or len(rates) > 1)

    def _train(self, arm: Arm, size: Size, seed: int, rate: float, label: str) -> training.Train:
        """Return the stage that trains an arm's model on the sample, under a label."""
        experiment, networks = self.experiment, self.networks(arm, size, seed)
        return training.Train(
            binarise=self.binarise(size, seed),
            segmentation=self.segmentation(size, seed),
            rows=self.rows(arm, size, seed),
            projection=arm.dimension == "projection",
            networks=networks,
            control=arm.control if networks else None,
            tuning={part: tuple(ways) for part, ways in arm.tunings.items()},
            tying=experiment.tying(arm),
            # Tying is the arm's, so the model's would change no artifact.
            model=experiment.model.model_copy(update={"tying": "none"}),
            training=experiment.training.at(rate, size),
            seed=seed,
            bleu_tokenizer=experiment.scoring.bleu_tokenizer,
            label=label,
            events=self.places.events and self.places.events / label,
            auxiliary=tuple(
                self._beside(name, auxiliary, size, seed)
                for name, auxiliary in arm.auxiliary.items()
            ),
            features=tuple(
                self._fed_by(side, features, size, seed) for side, features in arm.features.items()
            ),
        )

    def _fed_by(self, side: Side, features: Features, size: Size, seed: int) -> training.FedBy:
        """Return features with the stage that trains their network."""
        thing, drawn = self.experiment.pretrained[features.of], features.control is not None
        assert thing.reads is not None
        stack, views = thing.reads
        network: Network | Published | None = None
        if thing.fetches:
            network = self.read_by(features.of, drawn, size, seed)
        elif not drawn:
            network = self.network(features.of, size, seed)
        return training.FedBy(
            side,
            network,
            stack,
            # A decoder reads from left to right, also through a network of both directions.
            views if side == "source" else ("earlier",),
            features.enters,
            features.tuned,
            features.layer,
        )

    def _beside(self, name: str, auxiliary: Auxiliary, size: Size, seed: int) -> training.Beside:
        """Return an auxiliary objective with the stages of its text."""
        objective_name, objective = auxiliary.named(name)
        texts = self.sides_of(auxiliary.text, auxiliary.sides(objective), size, seed)
        return training.Beside(
            made_with={
                **auxiliary.model_dump(mode="json", exclude={"text", "languages", "lines"}),
                "objective": {objective_name: objective.model_dump(mode="json")},
                "version": objective.version,
            },
            texts=self.binarised(texts, auxiliary.text, auxiliary.lines, size, seed),
            languages=self.languages_of(auxiliary.text),
            name=name,
            objective=objective,
            settings=auxiliary,
        )

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
