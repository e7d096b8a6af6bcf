"""The stages, in the order data flows: each a step of the workspace, in one short method.

Steps only name what they need; nothing runs until `Workspace.ensure`. Modules that import torch,
fairseq or gensim are imported where a stage runs, so that planning answers at once.
"""

import functools
import itertools
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nmt_ablation.corpus import text
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell, Training
from nmt_ablation.progress import OnProgress
from nmt_ablation.stages.vectors import VectorStages
from nmt_ablation.workspace import Build, Json, Step, Workspace

METRICS = ("bleu", "chrf")
RESAMPLES = "resamples.npz"
"""Of each metric: the score of the test set, then of its resamples."""
NEED_NETWORK = ("fetch", "test-set", "encoder")
"""Stages that may ask a server for something."""


class Pipeline(VectorStages):
    """All steps of an experiment."""

    def train(self, cell: Cell) -> Step:
        """One model."""
        arm = self.experiment.arms[cell.arm]
        model, training = self.experiment.model, self.experiment.training
        bleu_tokenizer = self.experiment.scoring.bleu_tokenizer
        inputs = {
            "binarise": self.binarise(cell.size, cell.seed),
            "segmentation": self.segmentation(cell.size, cell.seed),
        }
        if arm.vectors is not None:
            inputs["rows"] = self.rows(arm, cell.size, cell.seed)

        def build(to: Build) -> Json:
            (outcome,) = self._launch([cell], [to])
            if isinstance(outcome, UserError):
                raise outcome
            return outcome

        parameters: dict[str, Json] = {
            "tables": self._tables(cell),
            "model": model.model_dump(exclude={"tying"}),
            "training": _of_digest(training),
            "seed": cell.seed,
        }
        # The valid set is scored like the test set; only what isn't usual is part of the digest.
        if bleu_tokenizer != "13a":
            parameters["bleu_tokenizer"] = bleu_tokenizer
        return Step("train", 4, parameters, inputs, build, resumable=True)

    def train_together(self, cells: Sequence[Cell], workspace: Workspace) -> dict[str, UserError]:
        """Train cells of one size and seed in this process, on the same batches.

        Each comes to what it comes to alone, but for rounding. Returns what went wrong, by the
        digest of the step.
        """
        steps = {self.train(cell): cell for cell in cells}
        different = {step.digest: step for step in steps}  # equal arms are one artifact
        return workspace.ensure_together(
            list(different.values()),
            lambda left, builds: self._launch([steps[step] for step in left], builds),
        )

    def _launch(self, cells: Sequence[Cell], builds: Sequence[Build]) -> list[Json | UserError]:
        from nmt_ablation import segmentation
        from nmt_ablation.model.tables import Tables
        from nmt_ablation.training import launch, processes
        from nmt_ablation.training.plugin import ArmPlan

        first, plans = builds[0], []
        for cell, to in zip(cells, builds, strict=True):
            sides = self.experiment.arms[cell.arm].vector_sides
            rows = {side: str(to.inputs["rows"] / f"{side}.npz") for side in sides}
            events = self.places.events and self.places.events / str(cell)
            plans.append(ArmPlan(Tables(rows=rows, **self._tables(cell)), to.folder, events))
        segmented = first.inputs["segmentation"]
        arguments = launch.Arguments(
            data=first.inputs["binarise"] / "data-bin",
            source=self.experiment.source,
            target=self.experiment.target,
            model=self.experiment.model,
            training=self.experiment.training,
            seed=cells[0].seed,
            segmenter=segmentation.load(self.experiment.segmentation, segmented, "target"),
            bleu_tokenizer=self.experiment.scoring.bleu_tokenizer,
        )

        progress = functools.partial(_progress_all, [to.progress for to in builds])
        return processes.train(arguments, plans, first.folder, progress)

    def _tables(self, cell: Cell) -> dict[str, Any]:
        """How a cell's embeddings start and learn, but for where their rows are."""
        arm = self.experiment.arms[cell.arm]
        return {
            "sides": arm.sides if arm.differs else (),
            "frozen": arm.tuning == "frozen",
            "thaw_at": arm.thaw_at or 0,
            "learning_rate": arm.learning_rate,
            "projection": arm.dimension == "projection",
            "tying": self.experiment.tying(arm),
            "seed": cell.seed,
        }

    def translate(self, cell: Cell) -> Step:
        """The test set's hypotheses, detokenised."""
        decoding, threads = self.experiment.decoding, self.experiment.training.threads
        form = self.experiment.cleaning.unicode
        segmented_by = self.experiment.segmentation

        def build(to: Build) -> Json:
            from nmt_ablation import segmentation
            from nmt_ablation.translation import engine as decoder

            source = to.inputs["hold-out"] / f"test.{self.experiment.source}"
            hypotheses = decoder.translate(
                [text.tidy(line, form) for line in text.stream_lines(source)],
                to.inputs["train"] / "checkpoint_best.pt",
                to.inputs["binarise"] / "data-bin",
                (
                    segmentation.load(segmented_by, to.inputs["segmentation"], "source"),
                    segmentation.load(segmented_by, to.inputs["segmentation"], "target"),
                ),
                decoding,
                threads,
                to.progress,
            )
            text.write_lines(to.folder / "hypotheses.txt", hypotheses)
            return None

        inputs = {
            "train": self.train(cell),
            "hold-out": self.hold_out(),
            "binarise": self.binarise(cell.size, cell.seed),
            "segmentation": self.segmentation(cell.size, cell.seed),
        }
        parameters = decoding.model_dump() | {"threads": threads}
        return Step("translate", 2, parameters, inputs, build)

    def score(self, cell: Cell) -> Step:
        """BLEU and chrF of a cell, with their signatures."""
        scoring, target = self.experiment.scoring, self.experiment.target

        def build(to: Build) -> Json:
            from nmt_ablation.scoring import score

            return score(
                list(text.stream_lines(to.inputs["translate"] / "hypotheses.txt")),
                list(text.stream_lines(to.inputs["hold-out"] / f"test.{target}")),
                scoring.bleu_tokenizer,
            )

        inputs = {"translate": self.translate(cell), "hold-out": self.hold_out()}
        return Step("score", 1, scoring.model_dump() | {"target": target}, inputs, build)

    def compare(self, cell: Cell) -> Step:
        """Whether a cell's score differs from the baseline's in the same size and seed."""
        scoring, target = self.experiment.scoring, self.experiment.target
        baseline = cell.model_copy(update={"arm": self.experiment.baseline})

        def build(to: Build) -> Json:
            from nmt_ablation.scoring import compare

            return compare(
                list(text.stream_lines(to.inputs["baseline"] / "hypotheses.txt")),
                list(text.stream_lines(to.inputs["arm"] / "hypotheses.txt")),
                list(text.stream_lines(to.inputs["hold-out"] / f"test.{target}")),
                scoring.bleu_tokenizer,
            )

        inputs = {
            "arm": self.translate(cell),
            "baseline": self.translate(baseline),
            "hold-out": self.hold_out(),
        }
        return Step("compare", 2, scoring.model_dump() | {"target": target}, inputs, build)

    def resamples(self, cell: Cell) -> Step:
        """A cell's scores on the test set and on resamples of it, the same for all cells."""
        scoring, target = self.experiment.scoring, self.experiment.target

        def build(to: Build) -> Json:
            from nmt_ablation.scoring import resampled

            hypotheses = list(text.stream_lines(to.inputs["translate"] / "hypotheses.txt"))
            references = list(text.stream_lines(to.inputs["hold-out"] / f"test.{target}"))
            found = resampled([hypotheses], references, scoring.bleu_tokenizer)
            np.savez(to.folder / RESAMPLES, **{metric: of[0] for metric, of in found.items()})
            return None

        inputs = {"translate": self.translate(cell), "hold-out": self.hold_out()}
        return Step("resamples", 1, scoring.model_dump() | {"target": target}, inputs, build)

    def from_network(self, digests: Collection[str]) -> list[Step]:
        """Of the steps of preparation that have these digests what only a machine with a network
        can build."""
        needed = (step for top in self.preparation() for step in top.ancestors())
        found = (step for step in needed if step.stage in NEED_NETWORK and step.digest in digests)
        return list({step.digest: step for step in found}.values())

    def calibration(self) -> Step:
        """What an update takes on the machine where this is built."""
        model, training = self.experiment.model, self.experiment.training
        pieces = self.experiment.segmentation.size

        def build(to: Build) -> Json:
            from nmt_ablation.training.calibration import calibrate

            with tempfile.TemporaryDirectory(dir=to.folder) as folder:
                return calibrate(model, training, pieces, Path(folder), to.progress)

        keys = ("batch_tokens", "precision", "threads", "accumulate", "processes")
        matters = {key: value for key, value in _of_digest(training).items() if key in keys}
        parameters = {"model": model.model_dump(), "training": matters, "pieces": pieces}
        return Step("calibration", 1, parameters, {}, build)

    def calibrated(self) -> list[Step]:
        return [self.calibration()]

    def scores(self, cells: list[Cell]) -> list[Step]:
        """All that some cells come to."""
        return [self.score(cell) for cell in cells]

    def preparation(self, cells: Sequence[Cell] = ()) -> list[Step]:
        """What these cells share, or if none are named all do: what is wrong with it is so said
        before any training."""
        cells = cells or self.experiment.cells()
        samples = [self.sample(cell.size, cell.seed) for cell in reversed(cells)]
        alike = [self.near_duplicates(cell.size, cell.seed) for cell in cells]
        shared = [self.train(cell).inputs.values() for cell in cells]
        steps = {step.digest: step for step in itertools.chain(samples, alike, *shared)}
        return list(steps.values())


def _progress_all(progresses: Sequence[OnProgress], done: float, whole: float) -> None:
    for progress in progresses:
        progress(done, whole)


def _of_digest(training: Training) -> dict[str, Json]:
    """What steers a training. Keys that came later leave the digest as it was where they are 1."""
    later = ("accumulate", "processes")
    values = training.model_dump()
    return {key: value for key, value in values.items() if key not in later or value != 1}
