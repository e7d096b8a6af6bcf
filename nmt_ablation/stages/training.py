"""Stages from binarised text and vectors to a trained model, and the timing of an update."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from nmt_ablation.errors import UserError
from nmt_ablation.model.config import Model, Tying
from nmt_ablation.model.parts import Entry, Part, Place, Sees
from nmt_ablation.objectives import Objective, Stack
from nmt_ablation.objectives.auxiliary import Auxiliary
from nmt_ablation.progress import OnProgress
from nmt_ablation.stage import Build, File, Stage
from nmt_ablation.stages.cleaned import Languages
from nmt_ablation.stages.pretrained import Network, Rows, Weights
from nmt_ablation.stages.published import Published
from nmt_ablation.stages.tokens import Binarise, BinariseText, Segmentation
from nmt_ablation.training.config import Training
from nmt_ablation.training.record import BEST, Calibrated, Chosen, Trained
from nmt_ablation.transfer.control import Control
from nmt_ablation.transfer.tuning import Tuned, Tuning
from nmt_ablation.values import SIDES, Side
from nmt_ablation.workspace import Workspace

if TYPE_CHECKING:
    from nmt_ablation.training.plan import ArmPlan, AuxiliaryPlan
    from nmt_ablation.transfer.features import Fed
    from nmt_ablation.transfer.start import Transfer


FED_SEEDS = 2**31
"""The first seed of networks as they are drawn: none of an experiment's."""


@dataclass(frozen=True)
class Beside:
    """An auxiliary objective, which is learned beside translation."""

    made_with: Mapping[str, Any]
    """Everything that determines its batches and their loss, except text."""
    texts: Mapping[Side, BinariseText]
    languages: Languages = field(compare=False)
    name: str = field(compare=False)
    objective: Objective = field(compare=False)
    settings: Auxiliary = field(compare=False)


@dataclass(frozen=True)
class FedBy:
    """A network whose states feed one side of a model."""

    side: Side
    network: Network | Published | None
    """The network; None for one of the model's architecture as it is drawn."""
    stack: Stack
    views: tuple[Sees, ...]
    enters: Entry
    tuned: bool
    layer: int | None = None


@dataclass(frozen=True, eq=False)
class Train(Stage[Trained]):
    """One model, trained until patience or its budget ends it."""

    name: ClassVar[str] = "train"
    version: ClassVar[int] = 6
    resumable: ClassVar[bool] = True

    binarise: Binarise
    segmentation: Segmentation
    rows: Mapping[Side, Rows]
    """The vectors that each side's embeddings start from, if they do."""
    networks: Mapping[Part, Weights[Any]]
    """The network or parent that each part starts from, if it does."""
    control: Control | None
    """The control under which parts start from networks."""
    projection: bool
    tuning: Mapping[Part, tuple[tuple[str, Tuning], ...]]
    """All ways in which parts are tuned, each with its name."""
    tying: Tying
    model: Model
    training: Training
    seed: int
    bleu_tokenizer: str
    """sacreBLEU's tokenizer for the validation set."""
    label: str = field(compare=False)
    """The cell, for messages."""
    events: Path | None = field(compare=False)
    """The folder of TensorBoard's files, if they are wanted."""
    auxiliary: tuple[Beside, ...] = ()
    features: tuple[FedBy, ...] = ()
    alone: bool = field(default=False, compare=False)
    """True if another model starts from this one, or is chosen among several like it."""

    @property
    def title(self) -> str:
        return self.label

    @property
    def checkpoint(self) -> File:
        """The best checkpoint, by BLEU on the validation set."""
        return File(self, BEST)

    def build(self, to: Build) -> Trained:
        (outcome,) = _train([self], [to])
        if isinstance(outcome, UserError):
            raise outcome
        return outcome

    def plan(self, to: Build) -> "ArmPlan":
        """Return the part of a training in which this arm differs from others."""
        from nmt_ablation.training.plan import ArmPlan

        auxiliary = [self._beside(it, to) for it in self.auxiliary]
        return ArmPlan(self.transfer(to), to.folder, self._lineage(), auxiliary, self.events)

    def transfer(self, to: Build) -> "Transfer":
        """Return the start and the tuning of the model."""
        from nmt_ablation.transfer.start import Transfer

        return Transfer(
            rows={side: to.path(rows.rows) for side, rows in self.rows.items()},
            projection=self.projection,
            networks={part: to.path(it.weights) for part, it in self.networks.items()},
            control=self.control,
            tuning={part: tuple(way for _, way in ways) for part, ways in self.tuning.items()},
            tying=self.tying,
            features=tuple(self._fed(it, to) for it in self.features),
            seed=self.seed,
        )

    @property
    def starts(self) -> tuple[Stage[Any], ...]:
        """The stages that have what the model starts from, or is fed by."""
        fed = (it.network for it in self.features if it.network)
        return (*self.rows.values(), *self.networks.values(), *fed)

    def _fed(self, it: FedBy, to: Build) -> "Fed":
        from nmt_ablation.transfer.features import Fed

        return Fed(
            it.side,
            it.stack,
            it.views,
            it.enters,
            it.tuned,
            # Another seed than the model's: the network would be its copy otherwise.
            self.seed + FED_SEEDS,
            to.path(it.network.weights) if it.network else None,
            it.layer,
            to.record(it.network).model if isinstance(it.network, Published) else None,
        )

    def _beside(self, it: Beside, to: Build) -> "AuxiliaryPlan":
        from nmt_ablation.training.plan import AuxiliaryPlan

        languages = dict(zip(SIDES, it.languages, strict=True))
        texts = {side: to.artifact(text) for side, text in it.texts.items()}
        return AuxiliaryPlan(it.name, it.objective, it.settings, languages, texts)

    def _lineage(self) -> str:
        """Return the digest of everything but the budget; nothing if a larger budget does more than
        add updates: by a fixed schedule the learning rate depends on it."""
        if self.training.schedule == "fixed":
            return ""
        without = self.training.model_copy(update={"max_updates": 0})
        learning = "".join(map(str, self._learning()))
        return f"{replace(self, training=without).digest}-{learning}"

    def _learning(self) -> Iterator[int]:
        """Yield 1 for each depth of a tuned part that learns within the budget, 0 for others: the
        optimiser has no state of the latter."""
        tops = {self.model.encoder_layers, self.model.decoder_layers}
        for part, ways in sorted(self.tuning.items()):
            for top in sorted(tops):
                for depth in range(top + 1):
                    tuned = Tuned(tuple(way for _, way in ways), Place(part, depth, top))
                    yield int(any(map(tuned.multiplier, range(self.training.max_updates))))


@dataclass(frozen=True, eq=False)
class Choose(Stage[Chosen]):
    """The best, on the validation set, of trainings that differ in their learning rates."""

    name: ClassVar[str] = "choose"

    trainings: tuple[Train, ...]

    @property
    def checkpoint(self) -> File:
        """The checkpoint of the training that was chosen."""
        return File(self, BEST)

    def chosen(self, record: Chosen) -> Train:
        """Return the training that was chosen."""
        rates = [it.training.learning_rate for it in self.trainings]
        return self.trainings[rates.index(record.learning_rate)]

    def build(self, to: Build) -> Chosen:
        bleu = {it.training.rates[0]: to.record(it).valid_bleu for it in self.trainings}
        record = Chosen(max(bleu, key=lambda rate: bleu[rate]), bleu)
        copy(to.path(self.chosen(record).checkpoint), to.path(self.checkpoint))
        return record


def train_together(stages: Sequence[Train], workspace: Workspace) -> dict[str, UserError]:
    """Train the arms of one size and seed in this process, on the same batches.

    Except for rounding, each result is the same as alone.

    Returns:
        the errors, by the stage's digest.
    """
    different = {stage.digest: stage for stage in stages}  # equal arms are one artifact
    return workspace.ensure_together(list(different.values()), _train)


def _train(stages: Sequence[Train], builds: Sequence[Build]) -> list[Trained | UserError]:
    from nmt_ablation.training import launch, processes

    first, to = stages[0], builds[0]
    source, target = first.binarise.languages
    arguments = launch.Arguments(
        data=to.path(first.binarise.data),
        source=source,
        target=target,
        model=first.model,
        training=first.training,
        seed=first.seed,
        segmenter=first.segmentation.segmenter(first.binarise.from_side("target"), to),
        bleu_tokenizer=first.bleu_tokenizer,
    )
    plans = [stage.plan(build) for stage, build in zip(stages, builds, strict=True)]
    progress = functools.partial(_tell_all, [build.progress for build in builds])
    return processes.train(arguments, plans, to.folder, progress)


def _tell_all(progress: Sequence[OnProgress], done: float, whole: float) -> None:
    for tell in progress:
        tell(done, whole)


@dataclass(frozen=True, eq=False)
class Calibrate(Stage[Calibrated]):
    """The time and memory of an update on this machine."""

    name: ClassVar[str] = "calibration"
    version: ClassVar[int] = 2

    model: Model
    batch_tokens: int
    precision: str
    threads: int
    accumulate: int
    processes: int
    dictionary: int
    """The size of the dictionary."""
    training: Training = field(compare=False)

    def build(self, to: Build) -> Calibrated:
        from nmt_ablation.training.calibration import calibrate

        with TemporaryDirectory(dir=to.folder) as folder:
            return calibrate(self.model, self.training, self.dictionary, Path(folder), to.progress)
