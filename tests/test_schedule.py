"""Which cells are trained together, how many at once, and in which order."""

import pytest

from nmt_ablation import schedule
from nmt_ablation.errors import UserError, require
from nmt_ablation.runner import Work
from nmt_ablation.stage import AnyStage
from nmt_ablation.training.config import Training
from tests.conftest import NewRun, Run

NETWORK = (
    "  word2vec: {kind: word2vec, epochs: 2}\n",
    "  word2vec: {kind: word2vec, epochs: 2}\n"
    "  bart: {kind: network, objective: denoising, updates: 20}\n"
    "  own: {kind: network, objective: denoising, updates: 20, text: sample}\n",
)
ARMS = (
    "baseline: random",
    "  whole: {start: {model: bart}}\n  own: {start: {model: own}}\nbaseline: random",
)
JOINT = ("fit_on: monolingual", "fit_on: monolingual, joint: true")


@pytest.fixture
def run(new_run: NewRun) -> Run:
    """The tiny experiment with networks, of outside text and of the sample."""
    return new_run(NETWORK, ARMS, JOINT, ("seeds: [1]", "seeds: [1, 2]"))


def _jobs(run: Run, together: bool, prepare_only: bool = False) -> dict[str, Work]:
    pipeline, workspace = run.pipeline, run.workspace
    groups = schedule.group(pipeline, workspace, pipeline.experiment.cells(), together)
    return schedule.jobs(pipeline, workspace, groups, prepare_only)


def _behind(jobs: dict[str, Work], name: str) -> set[str]:
    """All jobs that a job waits for."""
    return set(jobs[name].needs).union(*(_behind(jobs, needed) for needed in jobs[name].needs))


def test_together_the_arms_of_a_size_and_seed_are_one_job_if_they_wait_for_one_network(
    run: Run,
) -> None:
    cells = run.pipeline.experiment.cells()
    groups = schedule.group(run.pipeline, run.workspace, cells, together=True)
    of_seed = [name for name in groups if name.endswith("s2")]
    assert of_seed == ["50-s2", "50-whole-s2", "50-own-s2", "200-s2", "200-whole-s2", "200-own-s2"]
    assert {cell.arm for cell in groups["50-s2"]} == {"random", "frozen", "finetuned", "source"}


def test_arms_that_try_several_rates_are_no_job_together(new_run: NewRun) -> None:
    run = new_run(("learning_rate: 0.01", "learning_rate: [0.01, 0.003]"))
    cells = run.pipeline.experiment.cells()
    groups = schedule.group(run.pipeline, run.workspace, cells, together=True)
    assert groups == {str(cell): [cell] for cell in cells}


def test_apart_and_alone_a_cell_s_job_has_its_name(run: Run) -> None:
    cells = run.pipeline.experiment.cells()
    groups = schedule.group(run.pipeline, run.workspace, cells, together=False)
    assert groups == {str(cell): [cell] for cell in cells}
    alone = schedule.group(run.pipeline, run.workspace, cells[:1], together=True)
    assert list(alone) == ["50-random-s1"]


@pytest.mark.parametrize(
    ("gpu", "threads", "processes", "jobs"),
    [(False, 1, 1, 8), (False, 2, 1, 4), (False, 2, 2, 2), (False, 16, 1, 1), (True, 1, 1, 1)],
)
def test_jobs_share_the_cores_and_have_a_gpu_each_to_itself(
    gpu: bool, threads: int, processes: int, jobs: int
) -> None:
    training = Training(threads=threads, processes=processes)
    assert schedule.jobs_at_once(training, gpu, cores=8) == jobs


@pytest.mark.parametrize("together", [False, True])
def test_a_job_waits_for_what_it_needs_and_for_nothing_else(run: Run, together: bool) -> None:
    jobs = _jobs(run, together)
    networks = {name for name in jobs if name.startswith("network")}
    of_sample = {f"network-own-{size}-s{seed}" for size in (50, 200) for seed in (1, 2)}
    assert networks == {"network-bart", *of_sample}
    for name, work in jobs.items():
        waited = _behind(jobs, name) & networks
        arms = {cell.arm for cell in work.cells}
        if "own" in arms:
            assert waited == {f"network-own-{work.cells[0].size}-s{work.cells[0].seed}"}
        else:
            assert waited == ({"network-bart"} if "whole" in arms else set())
    cells = [cell for work in jobs.values() for cell in work.cells]
    assert sorted(cells, key=str) == sorted(run.pipeline.experiment.cells(), key=str)


@pytest.mark.parametrize("together", [False, True])
def test_a_stage_is_built_by_one_job_and_before_it_is_needed(run: Run, together: bool) -> None:
    jobs = _jobs(run, together)
    built: set[AnyStage] = set()
    for name, work in jobs.items():  # each stands behind those that it needs
        assert all(needed in [*jobs][: [*jobs].index(name)] for needed in work.needs)
        there = {it for other in _behind(jobs, name) for it in jobs[other].stages}
        for stage in work.stages:
            if not work.cells:
                assert stage not in built
                assert all(it in there or it in work.stages for it in stage.inputs.values())
            built.add(stage)
        for train in map(run.pipeline.train, work.cells):
            # Everything but what this job alone needs.
            left = [it for it in train.ancestors() if it not in there and it.alone]
            assert not left


def test_what_jobs_share_is_named_after_what_it_ends_with(run: Run) -> None:
    names = {name: work.stages[-1].name for name, work in _jobs(run, False).items()}
    shared = [name for name in names if not name.startswith(("network", "50", "200"))]
    assert shared[0] == "preparation" and {"vectors", "binarise-2"} <= {*shared}
    assert all(name.startswith(names[name]) for name in shared[1:])


def test_preparing_builds_networks_and_all_that_trainings_need(run: Run) -> None:
    jobs = _jobs(run, together=False, prepare_only=True)
    assert not any(work.cells for work in jobs.values())
    built = {stage for work in jobs.values() for stage in work.stages}
    pipeline = run.pipeline
    assert set(pipeline.preparation()) <= built
    assert not {pipeline.train(cell) for cell in pipeline.experiment.cells()} & built


def test_a_missing_library_is_named_with_its_installation() -> None:
    require("json", "--this needs", "nothing")
    with pytest.raises(UserError, match=r"--this needs no_such_module; .*setup\.sh extra"):
        require("no_such_module", "--this needs", "extra")
