"""The rows of networks, and of the pairs translated back, that cells were made with."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from nmt_ablation.artifact import Provenance
from nmt_ablation.experiment import Arm, Cell, Experiment
from nmt_ablation.model.parts import Part
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.results.rows import (
    BackTranslation,
    HeldOutLoss,
    Network,
)
from nmt_ablation.stages.training import Train
from nmt_ablation.values import SIDES, Side


def networks_of_cell(pipeline: Pipeline, cell: Cell, records: Provenance) -> Iterator[Network]:
    """Yield the networks that parts of a cell's model start from, and that translate back."""
    experiment = pipeline.experiment
    starts, fed = _uses(experiment, experiment.arms[cell.arm])
    for name in dict.fromkeys([*starts.values(), *fed.values()]):
        parts: tuple[str, ...] = tuple(part for part, of in starts.items() if of == name)
        parts += tuple(f"features of {side}" for side, of in fed.items() if of == name)
        if name in pipeline.file.parents:
            yield _parent(pipeline, name, parts, cell, records)
            continue
        stage, thing = pipeline.network(name, cell.size, cell.seed), experiment.network(name)
        record = records[stage]
        of_sides = dict(zip(SIDES, stage.languages, strict=True))
        languages = " and ".join(of_sides[side] for side in stage.texts)
        yield Network(
            name=name,
            parts=parts,
            objective=thing.says,
            text=f"{thing.text}, {languages}",
            seed=stage.seed,
            losses=tuple(HeldOutLoss(**asdict(each)) for each in record.validations),
            digest=stage.digest,
            **{key: value for key, value in asdict(record).items() if key in Network.model_fields},
        )
    if experiment.arms[cell.arm].back_translation:
        yield _reverse(pipeline, cell, records)


def back_translation_of(
    pipeline: Pipeline, cell: Cell, records: Provenance
) -> BackTranslation | None:
    """Return the record of the pairs that a cell's arm translated back, if it did."""
    if pipeline.experiment.arms[cell.arm].back_translation is None:
        return None
    record = records[pipeline.back_translate(cell.arm, cell.size, cell.seed)]
    digest = pipeline.train(cell).binarise.digest
    return BackTranslation(pairs=record.pairs, empty=record.empty, digest=digest)


def _uses(experiment: Experiment, arm: Arm) -> tuple[dict[Part, str], dict[Side, str]]:
    """Return the network that each part starts from, and that feeds each side, if it is trained."""
    fetched = {name for name, it in experiment.pretrained.items() if it.fetches}
    fed = {
        side: it.of
        for side, it in arm.features.items()
        if it.control is None and it.of not in fetched
    }
    starts = experiment.network_starts(arm)
    return {part: it for part, it in starts.items() if it not in fetched}, fed


def _reverse(pipeline: Pipeline, cell: Cell, records: Provenance) -> Network:
    """Return the row of the model that translated back for a cell."""
    stage = pipeline.back_translate(cell.arm, cell.size, cell.seed)
    translated = records[stage]
    source, target = pipeline.languages
    row = _trained(
        stage.train,
        records,
        name="reverse",
        parts=(),
        objective="translation, for back-translation",
        text=f"sample, {target} and {source}",
        lines=records[pipeline.sample(cell.size, cell.seed)].pairs,
        held_out=records[pipeline.hold_out()]["valid"].pairs,
    )
    seconds = translated.seconds * translated.threads / row.threads
    return row.model_copy(update={"seconds": row.seconds + seconds})


def _parent(
    pipeline: Pipeline, name: str, parts: tuple[str, ...], cell: Cell, records: Provenance
) -> Network:
    """Return the row of a parent that parts of a cell's model start from."""
    thing, there = pipeline.experiment.parent(name), pipeline.parent(name)
    adopted, its_cell = pipeline.adopted(name, cell.size, cell.seed), there.file.cell(thing.cell)
    source, target = there.languages
    return _trained(
        there.training_of(its_cell, records.__getitem__),
        records,
        name=name,
        parts=parts,
        objective=f"translation, {thing.rows} rows",
        text=f"{there.experiment.name} {thing.cell}, {source} and {target}",
        lines=records[there.sample(its_cell.size, its_cell.seed)].pairs,
        held_out=records[there.hold_out()]["valid"].pairs,
        rows=records[adopted].rows,
    )


def _trained(train: Train, records: Provenance, **facts: Any) -> Network:
    """Return the row of a whole NMT model that is trained for another one.

    Args:
        facts: what its record doesn't say.
    """
    record, training = records[train], train.training
    return Network(
        **facts,
        seed=train.seed,
        updates=record.updates,
        epochs=None,
        tokens=None,
        predicted=None,
        too_long=record.too_long,
        losses=tuple(
            HeldOutLoss(update=it.update, loss=it.loss)
            for it in record.validations
            if it.loss is not None
        ),
        seconds=record.training_seconds / record.together,
        threads=training.threads * training.processes,
        parameters=record.parameters,
        weights=record.weights,
        device=record.device,
        digest=train.digest,
    )
