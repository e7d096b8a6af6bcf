"""The jobs of a run: what each builds, and which others it needs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count

from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.runner import Work
from nmt_ablation.stage import AnyStage
from nmt_ablation.training.config import Training
from nmt_ablation.workspace import Workspace


def jobs_at_once(training: Training, gpu: bool, cores: int) -> int:
    """Return how many jobs a machine with so many cores runs at once."""
    places = 1 if gpu else cores  # a GPU is one device, however many cores stand beside it
    return max(1, places // (training.threads * training.processes))


def group(
    pipeline: Pipeline, workspace: Workspace, cells: Sequence[Cell], together: bool
) -> dict[str, list[Cell]]:
    """Group cells into jobs, by name.

    Args:
        cells: cells in their order.
        together: put the arms of one size and seed into one job, unless they wait for different
            networks, learn from different pairs, try several learning rates or attend to features.
    """
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        own = (it for it in pipeline.trainings(cell) if it.alone)
        waits = [*pipeline.networks_of([cell]).values(), *own]
        unbuilt = frozenset(it for it in waits if not workspace.done(it))
        data = pipeline.train(cell).binarise
        fed = pipeline.experiment.arms[cell.arm].features.values()
        alike = together and all(it.enters != "fused" for it in fed)
        key = (cell.size, cell.seed, data, unbuilt) if alike else cell
        groups.setdefault(key, []).append(cell)
    found: dict[str, list[Cell]] = {}
    for of in groups.values():
        name = f"{of[0].size}-s{of[0].seed}"
        if len(of) == 1 or name in found:
            name = str(of[0])
        found[name] = of
    return found


def jobs(
    pipeline: Pipeline,
    workspace: Workspace,
    groups: Mapping[str, Sequence[Cell]],
    prepare_only: bool,
) -> dict[str, Work]:
    """Return all jobs by name, in the order in which they should begin.

    Stages that the same jobs need are one job, and a stage that is built alone is one too. So a job
    begins as soon as what it needs is there, whatever others wait for.

    Args:
        groups: unfinished cells, grouped into jobs.
        prepare_only: leave out training and what follows.
    """
    asked: dict[str, Work] = {}
    for name, cells in groups.items():
        own = [it for cell in cells if not (it := pipeline.train(cell)).alone]
        if prepare_only:
            asked[f"preparation-{name}"] = Work(pipeline.preparation(cells))
        else:
            together = own if len(own) > 1 else ()
            asked[name] = Work(pipeline.scores(cells), cells, together)
    users = _users(workspace, asked)
    trained = [pipeline.train(cell) for of in groups.values() for cell in of]
    for_training = _ancestors(it for stage in trained for it in stage.inputs.values())
    shared: dict[tuple[str, ...], list[AnyStage]] = {}
    for stage, names in users.items():
        if len(names) > 1 and stage in for_training:
            shared.setdefault(tuple(names), []).append(stage)
    stages = _named(shared.values())
    preparations = list(stages)
    owner = {stage: name for name, of in stages.items() for stage in of}
    for stage, names in users.items():
        if stage not in owner:
            owner[stage] = names[0]
            stages.setdefault(names[0], []).append(stage)
    found = {}
    for name, of in stages.items():
        needs = dict.fromkeys(
            owner[it] for stage in of for it in stage.inputs.values() if it in owner
        )
        needs.pop(name, None)
        work = asked[name] if name in groups else Work(of)
        found[name] = replace(work, needs=tuple(needs))
    # What is shared takes little time beside training, and its errors come early so.
    return dict(_in_order(found, [*preparations, *asked]))


def _named(groups: Iterable[Sequence[AnyStage]]) -> dict[str, list[AnyStage]]:
    """Name groups of stages: the first one the preparation, each other after its last stage."""
    found: dict[str, list[AnyStage]] = {}
    for of in groups:
        last = of[-1].name if found else "preparation"
        again = (f"{last}-{number}" for number in count(2))
        found[next(name for name in chain([last], again) if name not in found)] = list(of)
    return found


def _users(workspace: Workspace, asked: dict[str, Work]) -> dict[AnyStage, list[str]]:
    """Return each unbuilt stage, inputs first, with the jobs that need it.

    A stage that is built alone becomes a job, which is added to those that are asked for. Its
    inputs are needed by that job, and not by the jobs behind it.
    """
    found: dict[AnyStage, list[str]] = {}
    alone: set[AnyStage] = set()
    names = list(asked)
    for name in names:  # which grows on the way
        targets = asked[name].stages
        for stage in _unbuilt(workspace, targets):
            if not stage.alone or stage in targets:
                found.setdefault(stage, []).append(name)
            elif stage not in alone:
                alone.add(stage)
                asked[stage.title] = Work([stage])
                names.append(stage.title)
    return found


def _unbuilt(workspace: Workspace, targets: Sequence[AnyStage]) -> Iterator[AnyStage]:
    """Yield the unbuilt stages that targets need, inputs first, but no inputs of stages that are
    built alone, unless these are targets."""
    seen: set[AnyStage] = set()

    def visit(stage: AnyStage) -> Iterator[AnyStage]:
        if stage not in seen and not workspace.done(stage):
            seen.add(stage)
            if not stage.alone or stage in targets:
                for needed in stage.inputs.values():
                    yield from visit(needed)
            yield stage

    for target in targets:
        if not target.when_ready or all(map(workspace.done, target.inputs.values())):
            yield from visit(target)


def _ancestors(stages: Iterable[AnyStage]) -> set[AnyStage]:
    """Return stages with everything that they need."""
    found: set[AnyStage] = set()
    left = list(stages)
    while left:
        if (stage := left.pop()) not in found:
            found.add(stage)
            left += stage.inputs.values()
    return found


def _in_order(jobs: Mapping[str, Work], names: Iterable[str]) -> Iterator[tuple[str, Work]]:
    """Yield jobs, each behind those that it needs."""
    seen: set[str] = set()

    def visit(name: str) -> Iterator[tuple[str, Work]]:
        if name in jobs and name not in seen:
            seen.add(name)
            for needed in jobs[name].needs:
                yield from visit(needed)
            yield name, jobs[name]

    for name in names:
        yield from visit(name)
