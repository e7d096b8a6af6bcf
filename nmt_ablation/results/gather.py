"""Results, gathered from a pipeline and its workspace, which no other module here knows."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np

from nmt_ablation import references
from nmt_ablation.artifact import Provenance
from nmt_ablation.corpus.text import Pair, read_pairs, stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell, Experiment
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.results import pairwise
from nmt_ablation.results.analyses import analyses_of, findings
from nmt_ablation.results.comparable import check_pairing, check_signatures, with_gains
from nmt_ablation.results.design import Design
from nmt_ablation.results.means import Evidence, contrast, summarise
from nmt_ablation.results.networks import back_translation_of, networks_of_cell
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import (
    Alignment,
    CellRow,
    EncoderRow,
    Example,
    NearDuplicates,
    NearDuplicatesOf,
    Pairing,
    SideCoverage,
    Training,
    TranslatorRow,
    Validation,
)
from nmt_ablation.results.texts import corpora_rows, further_rows, monolingual_rows
from nmt_ablation.results.warnings import known, warnings
from nmt_ablation.scoring import loss
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.scoring.resample import COUNT, Scores, load_scores
from nmt_ablation.scoring.test_sets import measures
from nmt_ablation.stage import File
from nmt_ablation.stages.pretrained import Align
from nmt_ablation.stages.training import Train
from nmt_ablation.training.config import Training as TrainingSetting
from nmt_ablation.training.record import Trained
from nmt_ablation.values import Side
from nmt_ablation.workspace import Workspace

EXAMPLES = 6
"""Test sentences that are shown for each size."""
PACKAGES = (
    *("nmt-ablation", "fairseq-fixed", "torch", "sentencepiece", "subword-nmt"),
    *("opustools", "ctranslate2"),
)


@dataclass(frozen=True)
class CellScore:
    """The primary score of a finished cell, for lists of cells."""

    pairs: int
    value: float
    measure: Measure

    def __str__(self) -> str:
        return f"{self.measure.label} {self.value:.{self.measure.decimals}f}"


def gather(
    pipeline: Pipeline, workspace: Workspace, command: str, with_examples: bool = True
) -> Results:
    """Return the results of all cells that are finished.

    Raises:
        UserError: no cell is finished, or some are not comparable.
    """
    experiment = pipeline.experiment
    definition = experiment.model_dump(mode="json")
    design, measures = Design.model_validate(definition), _measures(experiment)
    finished = [cell for cell in experiment.cells() if is_finished(pipeline, workspace, cell)]
    if not finished:
        raise UserError(
            f"no cell of {experiment.name} is finished yet, so there is nothing to report; "
            "nmt-ablation run trains them, and nmt-ablation status says how far each is"
        )
    primary = experiment.scoring.primary
    smallest = design.smallest_gains(primary, measures[primary])
    records = _records(pipeline, workspace, finished)
    rows = [_cell_row(pipeline, workspace, records, cell) for cell in finished]
    measures = {
        name: it for name, it in measures.items() if all(name in row.scores for row in rows)
    }
    rows = with_gains(rows, experiment.baseline, measures)
    resamples = {row.cell: _resamples(pipeline, workspace, row) for row in rows}
    kept = [row for row in rows if with_examples and _is_kept(pipeline, workspace, row.cell)]
    evidence = Evidence(rows, resamples, measures, smallest, design.looks(primary))
    return Results(
        name=experiment.name,
        pair=experiment.pair,
        baseline=experiment.baseline,
        definition=definition,
        measures=measures,
        primary=primary,
        cells=rows,
        resamples=resamples,
        unfinished=[str(cell) for cell in experiment.cells() if cell not in resamples],
        means=summarise(evidence, experiment.baseline, design.compared),
        contrasts=contrast(evidence, design.contrasts, design.contrasted),
        corpora=corpora_rows(pipeline, records),
        monolingual=monolingual_rows(pipeline, records),
        further=list(further_rows(pipeline, records)),
        encoders=list(_encoders(pipeline, workspace, finished)),
        translators=list(_translators(pipeline, workspace)),
        analyses=analyses_of(pipeline, {name for row in rows for name in row.findings}),
        warnings=warnings(pipeline, known(workspace, records), finished),
        examples=list(_examples(pipeline, workspace, kept)) if kept else [],
        translations=_translations(pipeline, workspace, kept) if kept else {},
        cited=references.as_text(experiment, references.entries()).splitlines(),
        versions={name: version(name) for name in PACKAGES} | experiment.scoring.versions,
        command=command,
    )


def is_finished(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> bool:
    """Return True if a cell has its scores, also on resamples."""
    return workspace.done(pipeline.score(cell)) and workspace.done(pipeline.resamples(cell))


def primary_scores(pipeline: Pipeline, workspace: Workspace) -> dict[Cell, float]:
    """Return the scores of finished cells by the primary metric."""
    primary = pipeline.experiment.scoring.primary
    finished = (it for it in pipeline.experiment.cells() if is_finished(pipeline, workspace, it))
    return {cell: workspace.record(pipeline.score(cell)).scores[primary].value for cell in finished}


def warnings_of(
    pipeline: Pipeline, workspace: Workspace, cells: Sequence[Cell] | None = None
) -> list[str]:
    """Return the warnings about some cells, or else all, as far as they are built."""
    cells = pipeline.experiment.cells() if cells is None else cells
    finished = [cell for cell in cells if is_finished(pipeline, workspace, cell)]
    return warnings(pipeline, known(workspace, _records(pipeline, workspace, finished)), cells)


def cell_score(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> CellScore:
    """Return the primary score of a finished cell."""
    records, scoring = _records(pipeline, workspace, [cell]), pipeline.experiment.scoring
    scored = workspace.record(pipeline.score(cell))
    return CellScore(
        pairs=records[pipeline.sample(cell.size, cell.seed)].pairs,
        value=scored.scores[scoring.primary].value,
        measure=scoring.measures[scoring.primary],
    )


def outcome(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> str:
    """Describe a cell that was just finished: its scores, and the end of its training."""
    scored = workspace.record(pipeline.score(cell))
    trained = workspace.record(pipeline.training_of(cell, workspace.record))
    measures = pipeline.experiment.scoring.measures
    scores = ", ".join(
        f"{measure.label} {scored.scores[name].value:.{measure.decimals}f}"
        for name, measure in measures.items()
    )
    ended = f"({trained.updates:,} updates, ended by {trained.ended_by})"
    return f"{scores} {ended}"


def compare_cells(
    pipeline: Pipeline, workspace: Workspace, one: str, other: str
) -> list[pairwise.Difference]:
    """Compare two finished cells that differ only in their arms.

    Raises:
        UserError: a cell doesn't exist or is not finished, or the cells are not comparable.
    """
    experiment = pipeline.experiment
    cells = [pipeline.file.cell(name) for name in (one, other)]
    for cell in cells:
        if not is_finished(pipeline, workspace, cell):
            raise UserError(f"{cell} is not finished yet; nmt-ablation run trains it")
    records = _records(pipeline, workspace, cells)
    first, second = (_cell_row(pipeline, workspace, records, cell) for cell in cells)
    check_signatures(first, second, _measures(experiment))
    check_pairing(first, second)
    sources, texts = _test_set(pipeline, workspace)
    systems = [_hypotheses(pipeline, workspace, cell) for cell in cells]
    return pairwise.differences(systems, texts, sources, experiment.scoring.metrics)


def _cell_row(pipeline: Pipeline, workspace: Workspace, records: Provenance, cell: Cell) -> CellRow:
    """Return the row of a finished cell, without gains."""
    experiment = pipeline.experiment
    score = pipeline.score(cell)
    train = pipeline.training_of(cell, records.__getitem__)
    compare, alike = pipeline.compare(cell), pipeline.near_duplicates(cell.size, cell.seed)
    scored = workspace.record(score)
    losses = (it.loss for it in records[train].validations)
    bits = loss.score(losses, scored.tokens_per_character)
    tested = workspace.done(compare) and cell.arm != experiment.baseline
    return CellRow(
        experiment=experiment.name,
        pair=experiment.pair,
        size=cell.size,
        pairs=records[pipeline.sample(cell.size, cell.seed)].pairs,
        arm=cell.arm,
        seed=cell.seed,
        scores=scored.scores | ({loss.NAME: bits} if bits else {}),
        tests=workspace.record(compare) if tested else {},
        empty_hypotheses=scored.empty_hypotheses,
        warnings=tuple(scored.warnings),
        training=_training(records[train], train.training),
        pairing=Pairing(
            data=pipeline.binarise(cell.size, cell.seed).digest,
            initial_weights=records[train].initial_weights,
            batches=records[train].batches,
        ),
        coverage=_coverage(train, records),
        alignment=_alignment(train, records),
        networks=tuple(networks_of_cell(pipeline, cell, records)),
        back_translation=back_translation_of(pipeline, cell, records),
        near_duplicates=(
            NearDuplicates(**{name: NearDuplicatesOf(**asdict(it)) for name, it in counts.items()})
            if (counts := workspace.done(alike) and workspace.record(alike))
            else None
        ),
        findings=findings(pipeline, workspace, cell),
        test_sentences=_test_sentences(pipeline, records),
        digest=score.digest,
    )


def _encoders(
    pipeline: Pipeline, workspace: Workspace, cells: Sequence[Cell]
) -> Iterator[EncoderRow]:
    """Yield what the published encoders of some cells retrieve."""
    for name in pipeline.experiment.published_in(cells):
        stage = pipeline.retrieval(name)
        if workspace.done(stage) and (record := workspace.record(stage)).layers:
            yield EncoderRow.model_validate({"name": name, **asdict(record)})


def _translators(pipeline: Pipeline, workspace: Workspace) -> Iterator[TranslatorRow]:
    """Yield the scores of published translators, as far as they are there."""
    for name in pipeline.experiment.translators:
        stage, thing = pipeline.translator(name), pipeline.experiment.translator(name)
        if workspace.done(stage):
            scored = dict(workspace.record(stage))
            model = thing.path if stage.fetched.files else thing.address
            yield TranslatorRow(name=name, model=model, digest=stage.digest, **scored)


def _training(record: Trained, setting: TrainingSetting) -> Training:
    return Training(
        learning_rate=setting.rates[0],
        updates=record.updates,
        ended_by=record.ended_by,
        best_update=record.best_update,
        validation_bleu=record.valid_bleu,
        validations=tuple(Validation(**asdict(each)) for each in record.validations),
        seconds=record.training_seconds,
        together=record.together,
        too_long=record.too_long,
        parameters=record.parameters,
        learned=record.learned,
        weights=record.weights,
        torch=record.torch,
        device=record.device,
        precision=setting.precision,
        auxiliary_tokens=record.auxiliary_tokens,
        auxiliary_share=record.auxiliary_share,
    )


def _coverage(train: Train, records: Provenance) -> dict[Side, SideCoverage]:
    """Return the coverage of the sides that start from vectors."""
    return {
        side: SideCoverage.model_validate(asdict(records[rows]))
        for side, rows in train.rows.items()
    }


def _alignment(train: Train, records: Provenance) -> Alignment | None:
    """Return the record of the alignment of an arm's vectors, if they were aligned."""
    aligned = [rows.made for rows in train.rows.values() if isinstance(rows.made, Align)]
    return Alignment.model_validate(asdict(records[aligned[0]])) if aligned else None


def _measures(experiment: Experiment) -> dict[str, Measure]:
    """Return the facts about all outcomes, the primary one first."""
    of_metrics = experiment.scoring.measures | {loss.NAME: loss.MEASURE}
    of_sets = measures(experiment.scoring.measures, experiment.held_out.weights)
    return of_metrics | of_sets


def _resamples(pipeline: Pipeline, workspace: Workspace, row: CellRow) -> Scores:
    found = dict(load_scores(workspace.path(pipeline.resamples(row.cell))))
    if loss.NAME in row.scores:  # which no other sentences of the test set change
        found[loss.NAME] = np.full(1 + COUNT, row.scores[loss.NAME].value)
    # As precise as a report's files keep them, so that what is drawn from those is the same.
    return {name: np.append(it[:1], it[1:].astype("f4")) for name, it in found.items()}


def _records(pipeline: Pipeline, workspace: Workspace, cells: Iterable[Cell]) -> Provenance:
    """Return the records of all that finished cells were made of; artifacts may be deleted."""
    records = Provenance({})
    for cell in cells:
        records = records | workspace.provenance(pipeline.score(cell))
    return records


def _examples(
    pipeline: Pipeline, workspace: Workspace, rows: Sequence[CellRow]
) -> Iterator[Example]:
    """Draw some test sentences at random, the same at the smallest and the largest size."""
    sources, texts = _test_set(pipeline, workspace)
    chosen = sorted(random.Random(1).sample(range(len(texts)), min(EXAMPLES, len(texts))))
    sizes = sorted({(row.pairs, row.size) for row in rows}, key=lambda pair: pair[0])
    seed = min(row.seed for row in rows)
    for pairs, size in dict.fromkeys([sizes[0], sizes[-1]]):
        found = {
            row.arm: _hypotheses(pipeline, workspace, row.cell)
            for row in rows
            if (row.size, row.seed) == (size, seed)
        }
        for at in chosen:
            yield Example(
                pairs=pairs,
                source=sources[at],
                reference=texts[at],
                hypotheses={arm: lines[at] for arm, lines in found.items()},
            )


def _is_kept(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> bool:
    """Return True if a cell's translations were not removed."""
    stages = (pipeline.translate(cell, name) for name in pipeline.test_sets())
    return all(map(workspace.done, stages))


def _translations(
    pipeline: Pipeline, workspace: Workspace, rows: Sequence[CellRow]
) -> dict[str, list[str]]:
    """Return the columns of NAME.hypotheses.tsv."""
    names = pipeline.test_sets()
    sources, texts = _test_set(pipeline, workspace)
    columns = {
        "test_set": [name for name in names for _ in _pairs(pipeline, workspace, name)],
        "source": sources,
        "reference": texts,
    }
    columns |= {str(row.cell): _hypotheses(pipeline, workspace, row.cell) for row in rows}
    for translator in pipeline.experiment.translators:
        stage = pipeline.translator(translator)
        if workspace.done(stage):
            columns[translator] = _lines(workspace, map(stage.hypotheses, names))
    return columns


def _hypotheses(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> list[str]:
    """Return a cell's translations of all test sets, one after another."""
    stages = (pipeline.translate(cell, name) for name in pipeline.test_sets())
    return _lines(workspace, (it.hypotheses for it in stages))


def _lines(workspace: Workspace, files: Iterable[File]) -> list[str]:
    """Return the lines of files, one after another."""
    return [line for file in files for line in stream_lines(workspace.file(file))]


def _test_set(pipeline: Pipeline, workspace: Workspace) -> tuple[list[str], list[str]]:
    """Return the sources and references of all test sets, one after another."""
    pairs = [it for name in pipeline.test_sets() for it in _pairs(pipeline, workspace, name)]
    return [source for source, _ in pairs], [reference for _, reference in pairs]


def _pairs(pipeline: Pipeline, workspace: Workspace, test_set: str) -> list[Pair]:
    stem = workspace.file(pipeline.test_sets()[test_set])
    return list(read_pairs(stem, pipeline.languages))


def _test_sentences(pipeline: Pipeline, records: Provenance) -> int:
    """Return the number of sentences of all test sets."""
    held_out = pipeline.hold_out()
    added = (name for name, it in pipeline.experiment.held_out.sets.items() if it.added)
    later = sum(records[pipeline.added_test_set(name)].pairs for name in added)
    return records[held_out]["test"].pairs + later
