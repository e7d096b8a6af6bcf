"""Warnings: what a reader of the results should know first, about text, vectors and trainings."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from nmt_ablation.artifact import Provenance
from nmt_ablation.corpus.identify import Identified, SideLanguages
from nmt_ablation.corpus.records import CleanRecord
from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.stage import Record, Stage
from nmt_ablation.stages.held_out import key_of
from nmt_ablation.stages.training import Choose
from nmt_ablation.training.record import Trained
from nmt_ablation.values import Side
from nmt_ablation.workspace import Workspace

DROPPED = 0.5
"""The share of a corpus's pairs that a filter drops, from which a warning is given."""
COVERED = 0.7
"""The share of a sample's tokens that have a vector, up to which a warning is given."""
REACHED = 0.9
"""The share of the subwords asked for, up to which a warning is given."""
EXPECTED = {"empty side", "scored too low"}
"""Names of filters that may drop many pairs, as the corpus or the user says so."""


class Find(Protocol):
    """A function that returns the record of a stage, or None where it isn't known."""

    def __call__(self, stage: Stage[Record], /) -> Record | None: ...


def known(workspace: Workspace, records: Provenance) -> Find:
    """Return a function that finds records among those of finished cells, or in a workspace."""

    def find(stage: Stage[Record], /) -> Record | None:
        if stage in records:
            return records[stage]
        return workspace.record(stage) if workspace.done(stage) else None

    return find


def warnings(pipeline: Pipeline, find: Find, cells: Sequence[Cell]) -> list[str]:
    """Return warnings about an experiment, as far as its stages are built.

    Args:
        find: a function that finds the records.
        cells: the cells to warn about.
    """
    found = chain(
        _of_corpora(pipeline, find),
        _of_held_out_sets(pipeline, find),
        _of_text(pipeline, find),
        _of_segmentation(pipeline, find, cells),
        _of_vectors(pipeline, find, cells),
        _of_published(pipeline, cells),
        _of_trainings(pipeline, find, cells),
        _of_translations(pipeline, find, cells),
    )
    return list(dict.fromkeys(found))


def of_languages(found: SideLanguages | None, languages: Sequence[str], name: str) -> Iterator[str]:
    """Yield a warning about each side of some pairs that is in another language."""
    for side, other, language in found.unlike(languages) if found else ():
        yield _other(f"{name}: the {side} side", other, language)


def of_language(found: Identified, language: str, name: str) -> Iterator[str]:
    """Yield a warning about text in another language."""
    if other := found.instead(language):
        yield _other(name, other, language)


def of_cleaning(record: CleanRecord, languages: Sequence[str], name: str) -> Iterator[str]:
    """Yield warnings about a corpus: its languages, and filters that drop most of it."""
    yield from of_languages(record.languages, languages, name)
    for dropped, it in record.dropped.items():
        if dropped not in EXPECTED and it.pairs > DROPPED * record.read:
            yield f"{name}: {it.pairs:,} of its {record.read:,} pairs are dropped: {dropped}"


def _other(name: str, other: str, language: str) -> str:
    return f"{name} seems to be in '{other}', and should be in '{language}'; check the text"


def _of_corpora(pipeline: Pipeline, find: Find) -> Iterator[str]:
    corpora = pipeline.experiment.corpora
    named = [(it, pipeline.languages) for it in corpora.parallel]
    for name, further in corpora.further.items():
        named += [(it, pipeline.languages_of(name)) for it in further.parallel]
    for corpus, languages in named:
        if record := find(pipeline.clean(corpus, languages)):
            yield from of_cleaning(record, languages, str(corpus))


def _of_held_out_sets(pipeline: Pipeline, find: Find) -> Iterator[str]:
    for name, record in (find(pipeline.hold_out()) or {}).items():
        yield from of_languages(record.languages, pipeline.languages, key_of(name))
    for name, it in pipeline.experiment.held_out.sets.items():
        if it.added and (added := find(pipeline.added_test_set(name))):
            yield from of_languages(added.languages, pipeline.languages, f"held_out.test.{name}")


def _of_text(pipeline: Pipeline, find: Find) -> Iterator[str]:
    if pipeline.experiment.corpora.monolingual == "rest":
        return
    for side in pipeline.experiment.corpora.text_sides():
        stage, language = pipeline.monolingual(side), pipeline.experiment.language(side)
        record = find(stage)
        for name, found in zip(stage.names, record.languages if record else (), strict=False):
            yield from of_language(found, language, name)


def _of_segmentation(pipeline: Pipeline, find: Find, cells: Iterable[Cell]) -> Iterator[str]:
    config = pipeline.experiment.segmentation
    found = [find(pipeline.segmentation(cell.size, cell.seed)) for cell in cells]
    reached = [max(it.values()) for it in found if it]
    if config.checkpoint is None and reached and min(reached) < REACHED * config.size:
        yield (
            f"segmentation.size asks for {config.size:,} tokens, and the text gives "
            f"{min(reached):,}"
        )


def _of_vectors(pipeline: Pipeline, find: Find, cells: Iterable[Cell]) -> Iterator[str]:
    lowest: dict[tuple[str, Side], float] = {}
    for cell in cells:
        for side, rows in pipeline.train(cell).rows.items():
            if record := find(rows):
                key = cell.arm, side
                lowest[key] = min(lowest.get(key, 1.0), record.train.tokens)
    for (arm, side), share in lowest.items():
        if share < COVERED:
            remedy = "; vectors of words need unit: word" if share else ""
            yield (
                f"{arm}: its vectors cover {share:.0%} of the sample's tokens on the {side} side, "
                f"and the others start at random{remedy}"
            )


def _of_published(pipeline: Pipeline, cells: Iterable[Cell]) -> Iterator[str]:
    for name in pipeline.experiment.fetched_in(cells):
        yield (
            f"{name} is a published model: what it has read is not known, and may hold the test set"
        )


def _of_trainings(pipeline: Pipeline, find: Find, cells: Iterable[Cell]) -> Iterator[str]:
    ends = [trained.ended_by for cell in cells if (trained := _trained(pipeline, find, cell))]
    if ends and all(it == "budget" for it in ends):
        yield (
            f"training.max_updates ended all {len(ends)} trainings, which may still improve: raise "
            "it, and the same command goes on"
        )


def _trained(pipeline: Pipeline, find: Find, cell: Cell) -> Trained | None:
    """Return the record of a cell's training, if it is done."""
    model = pipeline.model(cell)
    if not isinstance(model, Choose):
        return find(model)
    chosen = find(model)
    return find(model.chosen(chosen)) if chosen else None


def _of_translations(pipeline: Pipeline, find: Find, cells: Iterable[Cell]) -> Iterator[str]:
    said: dict[str, list[Cell]] = {}
    for cell in cells:
        scored = find(pipeline.score(cell))
        for warning in scored.warnings if scored else ():
            said.setdefault(warning, []).append(cell)
    for warning, of_cells in said.items():
        more = f" and {len(of_cells) - 1} more cells" if len(of_cells) > 1 else ""
        yield f"{of_cells[0]}{more}: {warning}"
