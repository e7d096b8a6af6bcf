"""Which cells are trained together, how many at once, and in which order."""

import pytest

from nmt_ablation import schedule
from nmt_ablation.errors import UserError, require
from nmt_ablation.experiment import Cell
from nmt_ablation.training.config import Training
from tests.conftest import NewRun

CELLS = [
    Cell(size=size, arm=arm, seed=seed)
    for size in (500, 2000)
    for arm in ("random", "vectors")
    for seed in (1, 2)
]


def test_together_the_arms_of_a_size_and_seed_are_one_job() -> None:
    groups = schedule.group(CELLS, together=True)
    assert list(groups) == ["500-s1", "500-s2", "2000-s1", "2000-s2"]
    assert [str(cell) for cell in groups["500-s2"]] == ["500-random-s2", "500-vectors-s2"]


def test_apart_and_alone_a_cell_s_job_has_its_name() -> None:
    assert schedule.group(CELLS, together=False) == {str(cell): [cell] for cell in CELLS}
    assert list(schedule.group(CELLS[:1], together=True)) == ["500-random-s1"]


@pytest.mark.parametrize(
    ("gpu", "threads", "processes", "jobs"),
    [(False, 1, 1, 8), (False, 2, 1, 4), (False, 2, 2, 2), (False, 16, 1, 1), (True, 1, 1, 1)],
)
def test_jobs_share_the_cores_and_have_a_gpu_each_to_itself(
    gpu: bool, threads: int, processes: int, jobs: int
) -> None:
    training = Training(threads=threads, processes=processes)
    assert schedule.jobs_at_once(training, gpu, cores=8) == jobs


def test_cells_wait_for_the_preparation_which_may_be_all(new_run: NewRun) -> None:
    pipeline = new_run().pipeline
    cells = pipeline.experiment.cells()
    groups = schedule.group(cells, together=True)
    preparation, scores = schedule.phases(pipeline, cells, groups, prepare_only=False)
    assert list(preparation) == ["preparation"]
    assert {name: list(work.cells) for name, work in scores.items()} == groups
    assert all(len(work.together) == len(work.cells) > 1 for work in scores.values())
    (only,) = schedule.phases(pipeline, cells, groups, prepare_only=True)
    assert only.keys() == {"preparation"}


def test_a_missing_library_is_named_with_its_installation() -> None:
    require("json", "--this needs", "nothing")
    with pytest.raises(UserError, match=r"--this needs no_such_module; .*setup\.sh extra"):
        require("no_such_module", "--this needs", "extra")
