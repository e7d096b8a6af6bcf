"""One model trained by several processes."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_ablation.training.processes import WORK
from tests.conftest import NewRun, Run, pgrep, until
from tests.slow import TRAINING

ALL = "200-random-s1"

pytestmark = pytest.mark.usefixtures("prepared")


def _run(make: NewRun, *training: str, updates: int = 40) -> Run:
    """An experiment without dropout, which processes draw for themselves."""
    return make(
        ("heads: 2}", "heads: 2, dropout: 0.0}"),
        ("max_updates: 60", f"max_updates: {updates}"),
        ("  patience: 2\n", "".join(f"  {line}\n" for line in ("patience: 9", *training))),
    )


def _losses(run: Run) -> list[float | None]:
    record = run.workspace.record(run.pipeline.train(run.cell(200, "random")))
    return [validation.loss for validation in record.validations]


@pytest.mark.slow(*TRAINING)
def test_two_processes_come_to_what_one_with_twice_the_batches_does(
    new_run: NewRun, tmp_path: Path
) -> None:
    one = _run(new_run, "accumulate: 2")
    assert one.call("run", "--cell", ALL).returncode == 0
    alone = _losses(one)
    two = _run(new_run, "processes: 2")
    result = two.call("run", "--cell", ALL)
    assert result.returncode == 0, result.stderr
    assert _losses(two) == pytest.approx(alone, rel=1e-3)
    plain = _run(new_run)
    assert plain.call("run", "--cell", ALL).returncode == 0
    assert _losses(plain) != pytest.approx(alone, rel=1e-3)


@pytest.mark.slow(*TRAINING)
def test_processes_that_are_stopped_go_on_to_the_same_end(new_run: NewRun, tmp_path: Path) -> None:
    whole = _run(new_run, "processes: 2", updates=100)
    assert whole.call("run", "--cell", ALL).returncode == 0
    run = Run(whole.file, tmp_path / "stopped", whole.mirror)
    stage = run.pipeline.train(run.cell(200, "random"))
    process = subprocess.Popen(run.arguments("run", "--cell", ALL), stderr=subprocess.PIPE)
    until(lambda: (run.workspace.progress(stage) or (0, 0))[0] > 30, process)
    process.send_signal(signal.SIGUSR1)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 75, stderr
    assert run.call("run", "--cell", ALL).returncode == 0
    one, other = (each.workspace.record(stage) for each in (whole, run))
    assert (one.weights, one.validations) == (other.weights, other.validations)


@pytest.mark.slow(*TRAINING)
def test_when_one_dies_the_others_are_ended_and_it_is_said(new_run: NewRun) -> None:
    run = _run(new_run, "processes: 2", updates=100_000)
    stage = run.pipeline.train(run.cell(200, "random"))
    process = subprocess.Popen(run.arguments("run", "--cell", ALL), stderr=subprocess.PIPE)
    until(lambda: (run.workspace.progress(stage) or (0, 0))[0] > 5, process)
    partial = run.workspace.path(stage).with_suffix(".partial")
    workers = _workers(partial)
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"of the processes that train, one has died" in stderr
    assert not _workers(partial)


@pytest.mark.slow(*TRAINING)
def test_a_killed_run_leaves_no_process_behind(new_run: NewRun) -> None:
    run = _run(new_run, "processes: 2", updates=100_000)
    stage = run.pipeline.train(run.cell(200, "random"))
    partial = run.workspace.path(stage).with_suffix(".partial")
    process = subprocess.Popen(run.arguments("run", "--cell", ALL), stderr=subprocess.DEVNULL)
    until(lambda: _workers(partial), process)  # which then have much to import
    process.kill()
    process.wait()
    until(lambda: not _workers(partial), seconds=5)


@pytest.mark.slow(*TRAINING)
def test_what_would_train_two_models_is_refused(new_run: NewRun, tmp_path: Path) -> None:
    run = _run(new_run, "processes: 2")
    result = subprocess.run(
        run.arguments("run"), env=os.environ | {"WORLD_SIZE": "2"}, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "one of 2 copies started side by side, by torchrun" in result.stderr
    assert run.call("run", "--cell", ALL).returncode == 0
    partial = run.workspace.path(run.pipeline.train(run.cell(200, "random")))
    arguments, *others = pickle.loads((partial / WORK).read_bytes())
    work = tmp_path / "work"
    work.write_bytes(pickle.dumps((arguments, *others)))
    result = subprocess.run(
        [sys.executable, "-m", "nmt_ablation.training.processes", str(work)],
        env=os.environ | {"WORLD_SIZE": "3", "RANK": "0"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "3 processes were started, and the experiment asks for 2" in result.stderr


def _workers(folder: Path) -> list[int]:
    """The processes that train in a folder."""
    return pgrep("-f", f"{folder}/{WORK}")
