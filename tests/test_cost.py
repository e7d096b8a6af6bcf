"""Bytes and disk space of a plan, against those of a real run."""

from pathlib import Path

import pytest

from nmt_ablation import cost
from tests.conftest import NewRun, Run


def test_parameters_are_those_of_a_real_model(finished: Run) -> None:
    experiment = finished.pipeline.experiment
    trained = finished.workspace.record(finished.pipeline.train(finished.cell(50, "random")))
    subwords = experiment.segmentation.size
    assert cost.parameters(experiment.model, subwords) == pytest.approx(
        trained.parameters, rel=0.02
    )


def test_a_finished_run_took_no_more_disk_than_planned(finished: Run) -> None:
    files = cost.files(finished.pipeline, finished.workspace, None)
    assert all(file.fetched and file.bytes for file in files)
    store = finished.workspace_root / "store"

    def taken(*stages: str) -> int:
        paths = [path for stage in stages for path in (store / stage).rglob("*.*")]
        return sum(path.stat().st_size for path in paths if path.is_file())

    planned = cost.disk(finished.pipeline.experiment, files)
    assert taken("fetch", "clean", "hold-out", "monolingual") <= planned.corpora
    assert taken("sample", "binarise") <= planned.samples
    checkpoints = list((store / "train").rglob("*.pt"))
    assert sum(path.stat().st_size for path in checkpoints) <= planned.models


def test_a_plan_counts_the_files_of_the_mirror(new_run: NewRun) -> None:
    run = new_run()
    files = cost.files(run.pipeline, run.workspace, None)
    assert [file.bytes for file in files] == [
        (Path(run.mirror) / file.path).stat().st_size for file in files
    ]
    assert "To fetch: 3 files, " in run.call("plan").stdout


def test_what_nobody_knows_the_size_of_is_named(new_run: NewRun, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = new_run(mirror=tmp_path / "empty").call("plan").stdout
    assert "of unknown size: OPUS-Synthetic/v1/moses/en-xx.txt.zip" in said
    assert "On disk: more than " in said
