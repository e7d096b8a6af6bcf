"""Artifacts: built once, whole or not at all, and again only when what makes them changes."""

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.files import lock
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.stage import Build, Stage
from nmt_ablation.workspace import Workspace
from tests.conftest import TINY, NewRun


@dataclass(frozen=True, eq=False)
class Made(Stage[Any]):
    """An artifact that a function makes."""

    name: ClassVar[str] = "made"

    builder: Callable[[Build], object] = field(compare=False)
    title: str = ""
    needed: "Made | None" = None

    def build(self, to: Build) -> Any:
        return self.builder(to)


class Resumable(Made):
    resumable = True


def test_a_stage_is_built_once_and_its_record_kept(tmp_path: Path) -> None:
    calls = []

    def build(to: Build) -> object:
        calls.append(to.folder)
        (to.folder / "text").write_text("x")
        return {"lines": 1}

    workspace, stage = Workspace(tmp_path), Made(build)
    assert not workspace.done(stage)
    for _ in range(2):
        assert (workspace.ensure(stage) / "text").read_text() == "x"
    assert len(calls) == 1
    assert workspace.record(stage) == {"lines": 1}


def test_a_builder_that_fails_leaves_nothing_to_trust(tmp_path: Path) -> None:
    def fail(to: Build) -> object:
        (to.folder / "half").write_text("x")
        raise RuntimeError("disk full")

    def build(to: Build) -> object:
        assert not list(to.folder.glob("half"))
        return None

    workspace = Workspace(tmp_path)
    with pytest.raises(RuntimeError):
        workspace.ensure(Made(fail))
    assert not workspace.done(Made(fail))
    workspace.ensure(Made(build))


def test_killed_right_before_the_end_the_artifact_is_the_same(tmp_path: Path) -> None:
    """Its manifest and provenance are no part of what a resumable builder has made."""

    def build(to: Build) -> object:
        (to.folder / "text").write_text("x")
        return None

    workspace = Workspace(tmp_path)
    stage = Resumable(build)
    final = workspace.ensure(stage)
    manifest = json.loads((final / "artifact.json").read_text())
    partial = final.rename(final.with_suffix(".partial"))
    (partial / ".artifact.json.123.unfinished").touch()
    workspace.ensure(stage)
    assert sorted(path.name for path in final.iterdir()) == [
        *("artifact.json", "artifact.sha256", "made-of.json", "text")
    ]
    assert json.loads((final / "artifact.json").read_text())["files"] == manifest["files"]
    assert list(manifest["files"]) == ["text"]


def test_what_a_cache_has_is_not_built_again_and_the_cache_is_only_read(tmp_path: Path) -> None:
    built = []

    def build(to: Build) -> object:
        built.append(to.folder)
        return len(built)

    first = Made(build, "first")
    second = Made(build, "second", first)
    Workspace(tmp_path / "cache").ensure(first)
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "cache").rglob("*"))
    workspace = Workspace(tmp_path / "own", tmp_path / "cache")
    assert workspace.ensure(second).is_relative_to(tmp_path / "own")
    assert len(built) == 2 and workspace.record(first) == 1
    after = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "cache").rglob("*"))
    assert before == after


def test_where_there_are_no_locks_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    Workspace(tmp_path).check()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(fcntl, "flock", missing)
    with pytest.raises(UserError, match=r"has no locks .* or use another --workspace"):
        Workspace(tmp_path).check()
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        lock(tmp_path / "lock").acquire()


def test_progress_says_how_fast_and_being_built_who_is_at_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    seen = []

    def build(to: Build) -> object:
        to.progress(10, 100)
        time.sleep(1.1)
        to.progress(32, 100)
        seen.append((workspace.progress(stage), workspace.being_built(stage)))
        raise RuntimeError("stopped")

    stage = Resumable(build)
    assert workspace.progress(stage) is None and not workspace.being_built(stage)
    with pytest.raises(RuntimeError):
        workspace.ensure(stage)
    ((told, at_it),) = seen
    assert told is not None and (told.done, told.whole) == (32, 100)
    assert told.speed == pytest.approx(20, rel=0.2)
    assert at_it and not workspace.being_built(stage)
    assert workspace.progress(stage) == told


def test_a_resumable_builder_finds_what_it_left(tmp_path: Path) -> None:
    def count(to: Build) -> object:
        (to.folder / str(len(list(to.folder.glob("[0-9]"))))).touch()
        if len(list(to.folder.glob("[0-9]"))) < 3:
            raise RuntimeError("stopped")
        return None

    workspace, stage = Workspace(tmp_path), Resumable(count)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            workspace.ensure(stage)
    assert sorted(path.name for path in workspace.ensure(stage).glob("[0-9]")) == ["0", "1", "2"]


def _build_slowly(root: Path, seconds: float) -> None:
    def build(to: Build) -> object:
        (to.folder / "built-by").write_text(str(os.getpid()))
        (root / f"built-{os.getpid()}").touch()
        time.sleep(seconds)
        return None

    Workspace(root).ensure(Made(build))


def test_two_processes_do_not_do_the_same_work_twice(tmp_path: Path) -> None:
    both = [multiprocessing.Process(target=_build_slowly, args=(tmp_path, 0.5)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
        assert process.exitcode == 0
    assert len(list(tmp_path.glob("built-*"))) == 1


def test_a_killed_build_is_built_anew_and_holds_no_lock(tmp_path: Path) -> None:
    process = multiprocessing.Process(target=_build_slowly, args=(tmp_path, 60))
    process.start()
    while not list(tmp_path.glob("built-*")):
        time.sleep(0.02)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    stage = Made(lambda to: None)
    assert not Workspace(tmp_path).done(stage)
    _build_slowly(tmp_path, 0)
    assert Workspace(tmp_path).done(stage)


# A value of the experiment, and the stages that depend on it; no other stage may be rebuilt.
TRAINED = {"train", "translate", "score", "compare"}
CHANGES = {
    "beam": ("beam: 2", "beam: 3", {"translate", "score", "compare"}),
    "tokenizer": ("decoding:", "scoring: {metrics: {bleu: {tokenizer: char}}}\ndecoding:", TRAINED),
    "patience": ("patience: 2", "patience: 3", TRAINED),
    "vectors": (
        "epochs: 2",
        "epochs: 3",
        {"vectors", "rows", "train", "translate", "score", "compare"},
    ),
    "name": ("name: tiny", "name: other", set()),
    "comment": ("name: tiny", "# a comment\nname: tiny", set()),
}


@pytest.mark.parametrize(("old", "new", "stages"), CHANGES.values(), ids=CHANGES)
def test_a_change_rebuilds_what_depends_on_it_and_nothing_else(
    tmp_path: Path, old: str, new: str, stages: set[str]
) -> None:
    def digests(text: str) -> dict[tuple[str, str], str]:
        file = tmp_path / "tiny.yaml"
        file.write_text(text)
        pipeline = Pipeline(load(file), Places(mirror=None, data=tmp_path))
        return {
            (stage.name, f"{cell.size} {cell.seed} {cell.arm} {at}"): stage.digest
            for cell in pipeline.experiment.cells()
            if cell.arm == "finetuned"
            for at, stage in enumerate(pipeline.compare(cell).ancestors())
        }

    before, after = digests(TINY), digests(TINY.replace(old, new, 1))
    assert before.keys() == after.keys()
    changed = {stage for (stage, where), digest in before.items() if after[stage, where] != digest}
    # The comparison needs the baseline's translation, which depends on no vectors.
    assert changed - {"score"} == stages - {"score"}


def test_held_out_files_count_by_content(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run(("test: 30", "test: {source: t.xx, target: t.en}"))
    digests = set()
    for text in ("eins\n", "zwei\n", "eins\n"):
        (tmp_path / "t.xx").write_text(text)
        (tmp_path / "t.en").write_text("one\n")
        digests.add(run.pipeline.hold_out().digest)
    assert len(digests) == 2
