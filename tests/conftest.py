"""A tiny experiment on a tiny made-up pair, and one finished run of it for all tests to look at."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from filelock import FileLock

from nmt_ablation.cli import main
from nmt_ablation.experiment import Cell
from nmt_ablation.experiment.file import load
from nmt_ablation.opus.synthetic import write_mirror
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.stage import Stage
from nmt_ablation.workspace import Workspace
from tests.slow import Slow

COMMAND = Path(sys.executable).with_name("nmt-ablation")

TINY = """\
name: tiny
pair: xx-en
corpora:
  parallel: [Synthetic/v1]
  monolingual: [Synthetic/v1]
held_out: {valid: 20, test: 30}
sizes: [50, 200]
seeds: [1]
segmentation: {type: sentencepiece-unigram, size: 300, fit_on: monolingual}
pretrained:
  word2vec: {kind: word2vec, epochs: 2}
arms:
  random: {}
  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}
  finetuned: {start: {embeddings: word2vec}}
  source: {start: {source-embeddings: word2vec}, tuning: {source-embeddings: frozen}}
baseline: random
model: {encoder_layers: 1, decoder_layers: 1, dimension: 16, feed_forward: 32, heads: 2}
training:
  batch_tokens: 256
  learning_rate: 0.01
  warmup_updates: 10
  max_updates: 60
  validate_every: 20
  patience: 2
decoding: {beam: 2}
"""
COMPARED = f"{TINY}contrasts: [[finetuned, frozen]]\n"
"""What is run whole; other tests take arms out, which a contrast might name."""


def call(*arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[str]:
    """The command, as a user gives it, but in this process, which has imported all it needs.

    Args:
        text: what comes from standard input.
    """
    width = {"COLUMNS": os.environ.get("COLUMNS", "80")}
    with patch.object(sys, "argv", [str(COMMAND), *arguments]):  # which reports quote
        result = CliRunner(env=width).invoke(main, arguments, input=text)
    unexpected = ""
    if result.exc_info is not None and not isinstance(result.exception, SystemExit | None):
        unexpected = "".join(traceback.format_exception(*result.exc_info))
    return subprocess.CompletedProcess(
        arguments, result.exit_code, result.stdout, result.stderr + unexpected
    )


def pgrep(*arguments: str) -> list[int]:
    """The processes that it finds."""
    found = subprocess.run(["pgrep", *arguments], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def until(
    reached: Callable[[], object],
    process: "subprocess.Popen[Any] | None" = None,
    seconds: float = 900,
) -> None:
    """Wait for something, which a process, if one is given, must live to see."""
    end = time.monotonic() + seconds
    while not reached():
        assert process is None or process.poll() is None, "it has ended before"
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.3 if process is None else 0.02)


@dataclass(frozen=True)
class Run:
    """An experiment file with its workspace and mirror."""

    file: Path
    workspace_root: Path
    mirror: Path | str
    """A folder, or a URL."""

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.workspace_root)

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(load(self.file), Places(mirror=str(self.mirror), data=self.file.parent))

    @property
    def places(self) -> list[str]:
        return ["--workspace", str(self.workspace_root), "--mirror", str(self.mirror)]

    def arguments(self, command: str, *more: str) -> list[str]:
        return [str(COMMAND), command, str(self.file), *self.places, *more]

    def call(self, command: str, *more: str) -> subprocess.CompletedProcess[str]:
        return call(*self.arguments(command, *more)[1:])

    def kill_at_checkpoint(self, stage: Stage[Any], *options: str) -> int:
        """Run, and kill it once a training has something to go on from; the exit code."""
        partial = self.workspace.path(stage).with_suffix(".partial")
        process = subprocess.Popen(
            self.arguments("run", *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: (partial / "checkpoint_last.pt").exists(), process)
        process.kill()
        code = process.wait()
        time.sleep(1)  # the job ends with its parent
        return code

    def cell(self, size: int, arm: str) -> Cell:
        return Cell(size=size, arm=arm, seed=1)


def outcome(run: Run) -> dict[str, object]:
    """Everything a run is for: samples, vectors, weights, hypotheses, scores."""
    found: dict[str, object] = {}
    for cell in run.pipeline.experiment.cells():
        for stage in run.pipeline.score(cell).ancestors():
            manifest = json.loads((run.workspace.path(stage) / "artifact.json").read_text())
            record = manifest["record"]
            if stage.name in ("train", "network"):  # checkpoints and logs hold times
                for time_taken in ("training_seconds", "seconds"):
                    record.pop(time_taken, None)
                found[stage.digest] = record
            else:
                # So does the log of fairseq's preprocessing.
                files = {k: v for k, v in manifest["files"].items() if not k.endswith(".log")}
                found[stage.digest] = (record, files)
    return found


NewRun = Callable[..., Run]

FIRST = ("test_slurm.py", "test_run.py")
"""The files that take longest."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run all long forms: see tests/slow.py")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Slow(config))
    # What a shell starts in the background ignores Ctrl-C, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that two processes end at about the same time."""
    rank = {name: at for at, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(FIRST)))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder, pairs=500, lines=2000, seed=3)
    return folder


@pytest.fixture
def new_run(tmp_path: Path, mirror: Path) -> NewRun:
    """Makes an experiment, TINY with replacements, in a workspace of its own."""

    def make(*replacements: tuple[str, str], mirror: Path = mirror) -> Run:
        return tiny(tmp_path, mirror, *replacements)

    return make


def tiny(folder: Path, mirror: Path | str, *replacements: tuple[str, str]) -> Run:
    """TINY with replacements, in this folder."""
    text = TINY
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    file = folder / "tiny.yaml"
    file.write_text(text)
    return Run(file, folder / "workspace", mirror)


def two_arms(folder: Path, mirror: Path, verdict: str) -> Run:
    """TINY with three seeds of two arms at one size, and the rule of a verdict."""
    run = tiny(folder, mirror, ("seeds: [1]", "seeds: [1, 2, 3]"), ("[50, 200]", "[50]"))
    before, rest = run.file.read_text().split("  frozen: ")
    arm, after = "  finetuned: {start: {embeddings: word2vec}}\n", rest[rest.index("baseline") :]
    run.file.write_text(f"{before}{arm}{after}verdict: {verdict}\n")
    return run


def run_tiny(folder: Path, mirror: Path, *options: str) -> Run:
    """COMPARED, run in a workspace in this folder."""
    file = folder / "tiny.yaml"
    file.write_text(COMPARED)
    run = Run(file, folder / "workspace", mirror)
    result = run.call("run", *options)
    assert result.returncode == 0, result.stderr
    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Run:
    """A whole run, from corpora to scores."""
    return _once(tmp_path_factory, "finished", mirror)


@pytest.fixture(scope="session")
def preparation(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Path:
    """A workspace that has all that cells share, and no cell."""
    return _once(tmp_path_factory, "preparation", mirror, "--prepare").workspace_root


def _once(factory: pytest.TempPathFactory, name: str, mirror: Path, *options: str) -> Run:
    """COMPARED, run by the first process that tests, and copied for each."""
    own = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return run_tiny(own, mirror, *options)
    everybodys = factory.getbasetemp().parent / name
    with FileLock(everybodys.with_suffix(".lock")):
        if not everybodys.exists():
            begun = everybodys.with_suffix(".begun")
            begun.mkdir()
            run_tiny(begun, mirror, *options)
            begun.rename(everybodys)
    shutil.copytree(everybodys, own, dirs_exist_ok=True)
    return Run(own / "tiny.yaml", own / "workspace", mirror)


@pytest.fixture
def prepared(preparation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is prepared is not what is tested: it need not be built each time."""
    monkeypatch.setenv("NMT_ABLATION_CACHE", str(preparation))


@pytest.fixture(scope="module")
def prepared_module(preparation: Path) -> Iterator[None]:
    """The same, for the runs that the tests of a module share."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NMT_ABLATION_CACHE", str(preparation))
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 200,000 bytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk has to be mounted, and only root may do that")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the size of a small disk, or whether it may be written."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
