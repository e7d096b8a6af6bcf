"""Damaged artifacts are found, set aside and built again; unneeded ones are removed."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Run, call, tiny

SMALL = ("[50, 200]", "[50]")
ONE_ARM = (
    "  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}\n"
    "  finetuned: {start: {embeddings: word2vec}}\n"
    "  source: {start: {source-embeddings: word2vec}, tuning: {source-embeddings: frozen}}\n",
    "  finetuned: {start: {embeddings: word2vec}}\n",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, mirror: Path, preparation: Path) -> Run:
    run = tiny(tmp_path_factory.mktemp("store"), mirror, SMALL, ONE_ARM)
    result = run.call("run", "--cache", str(preparation))
    assert result.returncode == 0, result.stderr
    return run


@pytest.fixture
def run(made: Run, tmp_path: Path, prepared: None) -> Run:
    """A finished experiment to spoil."""
    shutil.copytree(made.file.parent, tmp_path, dirs_exist_ok=True)
    return Run(tmp_path / made.file.name, tmp_path / made.workspace_root.name, made.mirror)


def verify(run: Run, *options: str) -> "subprocess.CompletedProcess[str]":
    return call("verify", "--workspace", str(run.workspace_root), *options)


def artifact(run: Run, stage: str) -> Path:
    """An artifact of a stage that is in the workspace itself."""
    found = [it for it in (run.workspace_root / "store" / stage).iterdir() if it.is_dir()]
    return sorted(found)[0]


class TestVerify:
    def test_a_sound_store_is_sound(self, run: Run) -> None:
        result = verify(run)
        assert result.returncode == 0 and result.stdout.endswith(", 0 damaged\n")

    def test_the_sums_are_those_of_sha256sum(self, run: Run) -> None:
        folder = artifact(run, "score")
        subprocess.run(["sha256sum", "-c", "artifact.sha256"], cwd=folder, check=True)

    @pytest.mark.parametrize(
        ("stage", "file"),
        [
            ("score", "artifact.json"),
            ("score", "made-of.json"),
            ("translate", "hypotheses.txt"),
            ("train", "checkpoint_best.pt"),
        ],
    )
    def test_what_was_edited_is_named_and_set_aside(self, run: Run, stage: str, file: str) -> None:
        path = artifact(run, stage) / file
        with path.open("ab") as damaged:
            damaged.write(b"x")
        result = verify(run)
        assert result.returncode == 1
        assert f"{path.parent}: is damaged or was edited: {file}\n" in result.stdout
        assert verify(run, "--set-aside").returncode == 0
        assert not path.exists() and path.parent.with_suffix(".damaged").exists()
        assert verify(run).returncode == 0


@pytest.mark.parametrize("file", ["artifact.json", "made-of.json"])
@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null"])
def test_broken_records_are_one_line_in_report_and_status(
    run: Run, file: str, content: str
) -> None:
    path = artifact(run, "score") / file
    path.write_text(content)
    for command in ("report", "status"):
        result = run.call(command)
        assert result.returncode == 1 and "Traceback" not in result.stderr
        assert f"{path.parent}: {file} is damaged or was edited" in result.stderr


def test_an_edited_score_is_believed_nowhere(run: Run) -> None:
    path = artifact(run, "score") / "artifact.json"
    manifest = json.loads(path.read_text())
    manifest["record"]["scores"]["bleu"]["value"] = 99.0
    path.write_text(json.dumps(manifest))
    for command in ("report", "status"):
        result = run.call(command)
        assert result.returncode == 1 and "99" not in result.stdout


def test_edited_hypotheses_are_believed_nowhere(run: Run) -> None:
    cell = run.cell(50, "random")
    path = run.workspace.file(run.pipeline.translate(cell, "test").hypotheses)
    path.write_text(path.read_text().upper() + "\n")
    other = "50-finetuned-s1"
    options = "--experiment", str(run.file), *run.places
    compared = call("compare", str(cell), other, *options)
    for result in (run.call("report"), compared):
        assert result.returncode == 1
        assert "hypotheses.txt is damaged or was edited" in result.stderr


def test_a_damaged_checkpoint_is_set_aside_and_trained_again(run: Run) -> None:
    cell = run.cell(50, "random")
    model = run.workspace.file(run.pipeline.train(cell).checkpoint)
    scores = run.workspace.record(run.pipeline.score(cell)).scores
    model.write_bytes(model.read_bytes()[:1000])
    for stage in ("translate", "score", "compare", "resamples"):
        shutil.rmtree(run.workspace_root / "store" / stage)
    result = run.call("run", "--cell", str(cell))
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert f"{model.parent}: is damaged or was edited (checkpoint_best.pt)" in result.stderr
    assert run.call("run").returncode == 0
    assert run.workspace.record(run.pipeline.score(cell)).scores == scores


class TestClean:
    def clean(self, run: Run, *options: str) -> "subprocess.CompletedProcess[str]":
        return call("clean", str(run.file), *run.places, *options)

    def test_what_the_experiment_needs_stays(self, run: Run) -> None:
        partial = run.workspace_root / "store" / "train" / f"{'0' * 20}.partial"
        partial.mkdir()
        (partial / "checkpoint_last.pt").write_bytes(b"x" * 5000)
        result = self.clean(run)
        assert result.returncode == 1 and "nothing was removed" in result.stderr
        assert partial.exists()
        assert str(partial) in result.stdout and "1 folders, 5.0 kB" in result.stdout
        assert (
            self.clean(run, "--yes", "--older-than", "1").stdout == "There is nothing to remove.\n"
        )
        assert self.clean(run, "--yes", "--larger-than", "6k").returncode == 0
        assert partial.exists()
        assert "1 folders removed" in self.clean(run, "--yes").stdout
        assert not partial.exists()
        assert run.call("run").stderr == "There is nothing to do: these cells are done.\n"

    def test_another_experiment_s_cells_go(self, run: Run) -> None:
        text = run.file.read_text().replace("seeds: [1]", "seeds: [2]")
        run.file.write_text(text)
        assert "train/" in self.clean(run, "--yes").stdout
        assert not list((run.workspace_root / "store" / "train").glob("*/artifact.json"))

    def test_what_is_being_built_stays(self, run: Run) -> None:
        folder = artifact(run, "train")
        holding = run.workspace._lock(run.pipeline.train(run.cell(50, "random")))
        text = run.file.read_text().replace("seeds: [1]", "seeds: [2]")
        run.file.write_text(text)
        with holding:
            result = self.clean(run, "--yes")
        held = Path(holding.lock_file).with_suffix("")
        assert f"{held}: is being built, and stays" in result.stderr
        assert held.exists() and folder.parent.exists()
