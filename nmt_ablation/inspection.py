"""The inspection of an experiment's data, before anything is trained."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from nmt_ablation.artifact import Provenance
from nmt_ablation.errors import UserError, require
from nmt_ablation.experiment import Arm, Cell
from nmt_ablation.opus.fetch import is_url
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.results.warnings import known, of_cleaning, warnings
from nmt_ablation.runner import Runner, Work
from nmt_ablation.stage import AnyStage, File, Stage
from nmt_ablation.stages.cleaned import Fetch
from nmt_ablation.stages.fetched import FetchPretrained
from nmt_ablation.stages.held_out import NamedSet, key_of
from nmt_ablation.stages.pretrained import Vectors
from nmt_ablation.stages.published import Published
from nmt_ablation.values import Side, Size


@dataclass
class Inspection:
    """The data of an experiment, as far as it can be read."""

    jobs: dict[str, Work]
    """The jobs that read it."""
    errors: list[str] = field(default_factory=list)
    """Mistakes that were found already."""
    absent: list[str] = field(default_factory=list)
    """Files that only a server has."""


def inspect(runner: Runner) -> Inspection:
    """Return the jobs that read all text and vectors which an experiment names, and train nothing.

    What they build is what a run builds too.
    """
    pipeline, workspace = runner.pipeline, runner.workspace
    found = Inspection({})
    wanted: dict[AnyStage, None] = {}
    for make in _makers(pipeline):
        try:
            made = make()
            several = made if isinstance(made, list) else [made]
            wanted |= dict.fromkeys(it for it in several if isinstance(it, Stage))
        except UserError as error:
            found.errors.append(str(error))
    absent: set[AnyStage] = set()
    names: dict[AnyStage, str] = {}
    for stage in workspace.to_build(*wanted):
        inputs = stage.inputs.values()
        if _is_far(stage):
            absent.add(stage)
            found.absent.append(_called(stage))
        elif absent.intersection(inputs) or _learns(stage):
            absent.add(stage)
        else:
            names[stage] = f"inspect-{len(names) + 1}-{stage.name}"
            needs = tuple(names[it] for it in inputs if it in names)
            found.jobs[names[stage]] = Work([stage], needs=needs)
    found.errors = list(dict.fromkeys(found.errors))
    return found


def _makers(pipeline: Pipeline) -> Iterator[Callable[[], object]]:
    """Yield functions that check something, or that return stages."""
    experiment = pipeline.experiment
    corpora, seed = experiment.corpora, experiment.seeds[0]
    first = experiment.cells()[0].size
    yield experiment.scoring.check
    if any(it.fetches for it in experiment.pretrained.values()):
        yield partial(require, "tokenizers", "encoders need", "encoders")
    for test_set in (experiment.held_out.valid, *experiment.held_out.sets.values()):
        if test_set.sacrebleu is not None:
            yield partial(_check_test_set, test_set.sacrebleu, experiment.pair)
    for corpus in corpora.parallel:
        yield partial(pipeline.clean, corpus)
    yield pipeline.hold_out
    for name in corpora.further:
        yield partial(pipeline.further, name)
    for size in experiment.sizes:
        yield partial(pipeline.sample, size, seed)
    for side in corpora.text_sides():
        yield partial(_text, pipeline, side)
    for name, it in experiment.held_out.sets.items():
        if it.added:
            yield partial(pipeline.added_test_set, name)
    yield partial(pipeline.segmentation, first, seed)
    for name in experiment.names_of_vectors:
        yield partial(pipeline.aligned, name, first, seed)
    for arm in experiment.arms.values():
        yield partial(_rows, pipeline, arm, first, seed)
    cells = [it for it in experiment.cells() if (it.size, it.seed) == (first, seed)]
    for name in experiment.published_in(cells):
        yield partial(pipeline.retrieval, name)
    for cell in cells:
        yield partial(_published, pipeline, cell)


def _text(pipeline: Pipeline, side: Side) -> AnyStage:
    return pipeline.text(side).stage


def _rows(pipeline: Pipeline, arm: Arm, size: Size, seed: int) -> list[AnyStage]:
    return list(pipeline.rows(arm, size, seed).values())


def _published(pipeline: Pipeline, cell: Cell) -> list[AnyStage]:
    return [it for it in pipeline.train(cell).inputs.values() if isinstance(it, Published)]


def _check_test_set(name: str, pair: str) -> None:
    from nmt_ablation.corpus.test_set import check_name

    check_name(name, pair)


def _is_far(stage: AnyStage) -> bool:
    """Return True if only a server has what a stage fetches."""
    if isinstance(stage, Fetch):
        return stage.mirror is None or is_url(stage.mirror)
    if isinstance(stage, FetchPretrained):
        return not stage.files
    return stage.needs_network


def _called(stage: AnyStage) -> str:
    if isinstance(stage, Fetch):
        return stage.file
    if isinstance(stage, NamedSet):
        return stage.test_set
    return stage.address if isinstance(stage, FetchPretrained) else stage.name


def _learns(stage: AnyStage) -> bool:
    """Return True if a stage learns from text, and reads no files."""
    return stage.alone or (isinstance(stage, Vectors) and bool(stage.texts) and not stage.files)


def describe(runner: Runner) -> Iterator[str]:
    """Yield lines about the data that was read: pairs, held-out sets, vectors, and warnings."""
    pipeline, workspace = runner.pipeline, runner.workspace
    experiment, find = pipeline.experiment, known(workspace, Provenance({}))
    if pool := find(pipeline.pool()):
        cleaned = {it.label: workspace.record(it) for it in pipeline.clean_corpora()}
        yield from pool.losses(cleaned)
    for name, held_out in (find(pipeline.hold_out()) or {}).items():
        yield f"{key_of(name)}: {held_out.pairs:,} pairs"
    for side in experiment.corpora.text_sides() if experiment.corpora.monolingual != "rest" else ():
        if text := find(pipeline.monolingual(side)):
            yield (
                f"text in {experiment.language(side)}: {text.kept:,} of {text.read:,} lines are "
                f"kept; {text.in_parallel_corpora:,} are sides of pairs, and "
                f"{text.dropped_as_leaks:,} are held out"
            )
    first = [cell for cell in experiment.cells() if cell.size == experiment.cells()[0].size]
    for cell in first:
        for side, rows in pipeline.train(cell).rows.items():
            if record := find(rows):
                yield (
                    f"{cell.arm}: {record.train.tokens:.0%} of the sample's tokens on the {side} "
                    f"side have a vector, {record.test.tokens:.0%} of the test set's"
                )
    for name in experiment.published_in(first):
        if (found := find(pipeline.retrieval(name))) and found.layers:
            best = max(found.layers, key=lambda it: it.source_to_target + it.target_to_source)
            yield (
                f"{name}: finds {best.source_to_target:.0%} and {best.target_to_source:.0%} of the "
                f"validation set's translations, to {experiment.target} and to "
                f"{experiment.source}, by its best layer, {best.layer} of {len(found.layers) - 1}"
            )
    yield from (f"warning: {it}" for it in warnings(pipeline, find, first))


def glance(runner: Runner) -> Iterator[str]:
    """Yield what the first pairs of each corpus at hand that isn't cleaned yet show to be wrong,
    without building."""
    for stage in runner.pipeline.clean_corpora():
        if runner.workspace.done(stage):
            continue
        try:
            cleaner = stage.cleaner()
            first = islice(stage.blocks(partial(_at_hand, runner), _ignore), 1)
            for _ in cleaner.blocks(first):
                pass
            yield from of_cleaning(cleaner.record(), stage.languages, stage.label)
        except _FarError:
            continue
        except UserError as error:
            yield str(error)


class _FarError(Exception):
    """A file of OPUS that isn't on this machine."""


def _at_hand(runner: Runner, file: File) -> Path:
    """Return the path of a file of OPUS, fetched or in a mirror's folder."""
    if runner.workspace.done(file.stage):
        return runner.workspace.file(file)
    assert isinstance(file.stage, Fetch)
    if file.stage.mirror is None or is_url(file.stage.mirror):
        raise _FarError
    path = Path(file.stage.mirror) / file.stage.file
    if not path.is_file():
        raise _FarError
    return path


def _ignore(done: float, whole: float) -> None:
    """Do nothing with progress."""
