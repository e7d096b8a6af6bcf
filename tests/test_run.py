"""The command as a user calls it: errors without tracebacks, kills without losses."""

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from nmt_ablation.cli import main
from nmt_ablation.errors import UserError
from nmt_ablation.model import checkpoint
from nmt_ablation.opus.synthetic import write_mirror
from nmt_ablation.training.launch import LOG
from tests.conftest import COMMAND, NewRun, Run, outcome, pgrep, until
from tests.slow import RUNNING


def test_help_answers_at_once_and_has_examples() -> None:
    code = "import sys; from nmt_ablation import cli; print([m for m in sys.modules if m in " + (
        "('torch', 'fairseq', 'gensim', 'matplotlib', 'sacrebleu')])"
    )
    python = COMMAND.with_name("python")
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    for command in main.commands:
        text = subprocess.check_output([str(COMMAND), command, "--help"], text=True)
        assert f"nmt-ablation {command} " in text.split("Example")[1]


def test_planning_loads_neither_torch_nor_fairseq(new_run: NewRun) -> None:
    result = subprocess.run(
        [str(COMMAND.with_name("python")), "-X", "importtime", *new_run().arguments("plan")],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-500:]
    loaded = {line.split("|")[-1].strip() for line in result.stderr.splitlines() if "|" in line}
    assert "nmt_ablation.pipeline" in loaded
    assert not loaded & {"torch", "fairseq", "gensim", "matplotlib"}


def test_a_plan_says_what_is_done_and_what_is_to_do(finished: Run, new_run: NewRun) -> None:
    before, after = new_run().call("plan").stdout, finished.call("plan").stdout
    assert "        50  random 0/1, frozen 0/1, finetuned 0/1, source 0/1\n" in before
    assert "0 of 8 cells are done. To build: 3 x fetch, 1 x clean" in before
    assert "8 x train" in before
    assert "At most 480 updates of up to 256 tokens" in before
    assert "8 of 8 cells are done. To build: nothing." in after


def test_status_is_for_people_and_machines(finished: Run) -> None:
    assert re.search(r"50-random-s1 +done +BLEU \d", finished.call("status").stdout)
    lines = finished.call("status", "--json").stdout.splitlines()
    assert {json.loads(line)["state"] for line in lines} == {"done"}


def test_status_draws_the_curve_in_a_terminal(finished: Run) -> None:
    pty, terminal = os.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    subprocess.run(
        finished.arguments("status"), stdout=terminal, env=environment, check=True, timeout=60
    )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # so a terminal's end is told
        while part := os.read(pty, 10_000):
            shown += part
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert "8 done" in text
    assert "aa random" in text and "dd source" in text  # the legend
    assert re.search(r"50 +200\s", text) and "pairs" in text


@pytest.mark.usefixtures("prepared")
def test_tensorboard_is_written_for_where_it_is_asked_for(new_run: NewRun) -> None:
    run = new_run()
    result = run.call("run", "--tensorboard", "--cell", "50-random-s1")
    assert result.returncode == 0, result.stderr
    (folder,) = (run.workspace_root / "tiny" / "tensorboard").iterdir()
    assert folder.name == "50-random-s1"
    (file,) = folder.iterdir()
    found: dict[str, list[int]] = {}
    data = file.read_bytes()
    while data:  # records of length, its checksum, an event, its checksum
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]
        for value in event.summary.value:
            found.setdefault(value.tag, []).append(event.step)
    assert found["valid/bleu"] == found["valid/loss"] == [20, 40, 60]
    assert found["train/loss"] == [0, 10, 20, 30, 40, 50]


@pytest.mark.usefixtures("prepared")
def test_status_says_why_a_cell_failed_and_that_others_wait(new_run: NewRun) -> None:
    broken = "  source: {start: {embeddings: word2vec}, tuning: {embeddings: {rate: 1.0e+30}}}"
    run = new_run(
        ("[50, 200]", "[50]"),
        (
            "  source: {start: {source-embeddings: word2vec}, tuning: {source-embeddings: frozen}}",
            broken,
        ),
    )
    assert run.call("run", "--cell", "50-source-s1").returncode == 1
    said = run.call("status", "--watch").stdout  # nothing to wait for
    assert re.search(r"50-source-s1 +failed +train", said)
    assert "50-source-s1: training diverged" in said
    assert re.search(r"50-random-s1 +to do +train", said)
    assert "3 to do, 1 failed" in said


def test_a_cache_gives_what_it_has(finished: Run, new_run: NewRun) -> None:
    run = new_run()
    result = run.call("run", "--cache", str(finished.workspace_root))
    assert result.returncode == 0, result.stderr
    assert not (run.workspace_root / "store").exists()
    assert (
        "8 of 8 cells are done" in run.call("plan", "--cache", str(finished.workspace_root)).stdout
    )


def test_calibration_lets_a_plan_say_hours(new_run: NewRun) -> None:
    run = new_run()
    assert "Hours: not known yet; nmt-ablation calibrate times an update" in run.call("plan").stdout
    result = run.call("calibrate")
    assert result.returncode == 0, result.stderr
    found = run.workspace.record(run.pipeline.calibration())
    assert 0 < found.seconds < 1 and 10**8 < found.memory < 4 * 10**9
    assert re.search(r"Hours: at most [\d.]+, one training after another", run.call("plan").stdout)
    again = run.call("calibrate", "--again")
    assert again.returncode == 0 and run.workspace.record(run.pipeline.calibration()) != found


def test_a_second_run_does_nothing_and_is_quick(finished: Run) -> None:
    store = finished.workspace_root / "store"
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    started = time.monotonic()
    assert finished.call("run").returncode == 0
    assert time.monotonic() - started < 10
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


STAGES = ["fetch", "hold-out", "segmentation", "vectors", "binarise", "train", "translate", "score"]


@pytest.mark.slow(*RUNNING)
def test_killed_at_every_stage_it_goes_on_to_the_same_end(finished: Run, new_run: NewRun) -> None:
    run = new_run(("[50, 200]", "[50]"))
    store = run.workspace_root / "store"
    for stage in STAGES:
        process = subprocess.Popen(
            run.arguments("run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # Killed as soon as a stage has begun; a training as soon as it has a checkpoint.
        begun = f"{stage}/*.partial/checkpoint_last.pt" if stage == "train" else f"{stage}/*.lock"
        until(lambda begun=begun: list(store.glob(begun)), process)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(store.glob("train/*"))
    result = run.call("run")
    assert result.returncode == 0, result.stderr
    assert outcome(run).items() <= outcome(finished).items()
    assert not list(store.rglob("*.partial"))


@pytest.mark.usefixtures("prepared")
def test_a_log_says_on_one_line_what_a_cell_has_come_to(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    said = new_run().call("run", "--cell", "50-random-s1").stderr
    assert re.search(
        r"^50-random-s1: done in \d+ s, BLEU .* \(60 updates, ended by \w+\)", said, re.M
    )


@pytest.mark.usefixtures("prepared")
def test_a_training_killed_in_its_last_moment_is_not_trained_again(new_run: NewRun) -> None:
    run = new_run()
    cell = run.cell(50, "random")
    assert run.call("run", "--cell", str(cell)).returncode == 0
    train = run.pipeline.train(cell)
    done = run.workspace.path(train)
    log, record = (done / LOG).read_text(), run.workspace.record(train)
    partial = done.with_suffix(".partial")
    done.rename(partial)
    (partial / "artifact.json").unlink()
    for later in ("translate", "score"):  # which ask for nothing once they are there
        shutil.rmtree(run.workspace_root / "store" / later)
    assert run.call("run", "--cell", str(cell)).returncode == 0
    assert (done / LOG).read_text() == log
    assert run.workspace.record(train) == record


@pytest.mark.usefixtures("prepared")
def test_ctrl_c_stops_everything_and_says_how_to_go_on(new_run: NewRun) -> None:
    run = new_run()
    process = subprocess.Popen(
        run.arguments("run"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    store = run.workspace_root / "store"
    until(lambda: list(store.glob("train/*.partial")), process)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped. The same command goes on from here." in stderr
    assert "Traceback" not in stderr
    time.sleep(1)
    progress = [path.read_text() for path in store.glob("train/*.partial/progress.json")]
    time.sleep(1)
    assert progress == [path.read_text() for path in store.glob("train/*.partial/progress.json")]


@pytest.mark.slow(*RUNNING)
@pytest.mark.usefixtures("prepared")
def test_asked_to_stop_it_leaves_a_checkpoint_and_goes_on_to_the_same_end(
    new_run: NewRun, tmp_path: Path
) -> None:
    """What a cluster does before it takes a machine away; it may tell any process, or all."""
    longer = ("max_updates: 60", "max_updates: 300"), ("validate_every: 20", "validate_every: 300")
    whole = new_run(*longer)
    stage = whole.pipeline.train(whole.cell(200, "random"))
    assert whole.call("run", "--cell", "200-random-s1").returncode == 0
    run = Run(whole.file, tmp_path / "stopped", whole.mirror)
    last = run.workspace.path(stage).with_suffix(".partial") / "checkpoint_last.pt"
    before = 0
    asking: tuple[Callable[[int, int], None], ...] = (
        lambda run, job: os.kill(run, signal.SIGUSR1),
        lambda run, job: os.kill(job, signal.SIGTERM),
        lambda run, job: os.killpg(run, signal.SIGTERM),
    )
    for ask in asking:
        process = subprocess.Popen(
            run.arguments("run", "--cell", "200-random-s1"),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        seen = before + 20
        until(lambda: (run.workspace.progress(stage) or (0, 0))[0] > seen, process)  # noqa: B023
        (server,) = filter(_children, _children(process.pid))
        (job,) = _children(server)
        os.kill(job, signal.SIGSTOP)
        ask(process.pid, job)
        time.sleep(1)  # The job is waited for, however long it takes.
        assert process.poll() is None
        os.kill(job, signal.SIGCONT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 75, stderr
        assert b"the same command goes on from here" in stderr
        assert not last.with_name("crash.pt").exists()
        # There is a checkpoint long before the first one by the clock.
        history = checkpoint.read(last)["optimizer_history"]
        before = history[-1]["num_updates"]
        assert seen < before < 300
    assert run.call("run", "--cell", "200-random-s1").returncode == 0
    one, other = whole.workspace.record(stage), run.workspace.record(stage)
    assert replace(one, training_seconds=0) == replace(other, training_seconds=0)


def _children(parent: int) -> list[int]:
    return pgrep("-P", str(parent))


@pytest.mark.slow(*RUNNING)
def test_two_runs_at_once_share_the_work(finished: Run, new_run: NewRun) -> None:
    run = new_run(("[50, 200]", "[50]"))
    both = [subprocess.Popen(run.arguments("run"), stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr.decode()
    assert outcome(run).items() <= outcome(finished).items()


def _held_out(source: bytes | None, target: bytes | None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, text in (("t.xx", source), ("t.en", target)):
            if text is not None:
                (folder / name).write_bytes(text)

    return write


BAD_FILES = {
    "malformed": (_held_out(b"a\n\xff\n", b"a\nb\n"), r"t\.xx:2: is not UTF-8"),
    "unequal": (_held_out(b"a\n", b"a\nb\n"), r"t\.xx has 1 lines and .*t\.en has 2"),
    "empty": (_held_out(b"", b""), r"t\.xx: is empty"),
    "missing": (_held_out(b"a\n", None), r"t\.en: there is no such file.*--data DIR"),
}


@pytest.mark.parametrize(("write", "says"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_held_out_files_are_refused(
    new_run: NewRun, write: Callable[[Path], None], says: str
) -> None:
    run = new_run(("test: 30", "test: {source: t.xx, target: t.en}"))
    write(run.file.parent)
    with pytest.raises(UserError, match=says):
        run.workspace.ensure(run.pipeline.pool())


def _corpus(folder: Path, source: bytes, target: bytes) -> Path:
    root = folder / "OPUS-Synthetic/v1"
    for kind in ("moses", "mono"):
        (root / kind).mkdir(parents=True)
    with zipfile.ZipFile(root / "moses/en-xx.txt.zip", "w") as archive:
        for code, text in (("xx", source), ("en", target)):
            archive.writestr(f"Synthetic.en-xx.{code}", text)
            (root / f"mono/{code}.txt.gz").write_bytes(gzip.compress(text))
    return folder


BAD_CORPORA = {
    "empty": (b"", b"", "asks for 30 pairs, and Synthetic/v1, .* has 0 left"),
    "one line": (b"eins\n", b"one\n", "asks for 30 pairs, and Synthetic/v1, .* has 1 left"),
    "unequal": (b"eins\nzwei\n", b"one\n", "ends after line 1"),
    "malformed": (
        b"\xff\n" * 40,
        b"one\n" * 40,
        "Synthetic/v1:1: is the first of 40 lines that are not UTF-8, among 40",
    ),
}


@pytest.mark.parametrize(("source", "target", "says"), BAD_CORPORA.values(), ids=BAD_CORPORA)
def test_bad_corpora_are_refused(
    new_run: NewRun, tmp_path: Path, source: bytes, target: bytes, says: str
) -> None:
    run = new_run(mirror=_corpus(tmp_path / "mirror", source, target))
    with pytest.raises(UserError, match=says):
        run.workspace.ensure(run.pipeline.pool())


def test_a_bad_corpus_stops_a_run_with_a_message(new_run: NewRun, tmp_path: Path) -> None:
    source, target, says = BAD_CORPORA["unequal"]
    _refused(new_run(mirror=_corpus(tmp_path / "mirror", source, target)), says)


def test_a_size_larger_than_the_pool_is_refused_with_its_line(new_run: NewRun) -> None:
    run = new_run(("[50, 200]", "[50,\n  9k]"))
    says = r"tiny\.yaml:8: asks for a sample of 9,000 pairs, and the pool has \d+; allowed: up to"
    _refused(run, says, "--size", "9k")
    assert not (run.workspace_root / "store" / "train").exists()


def test_what_only_other_sizes_need_is_not_built(new_run: NewRun) -> None:
    run = new_run()
    assert run.call("run", "--size", "50", "--prepare").returncode == 0
    cells = run.pipeline.experiment.cells()
    prepared = {
        cell.size for cell in cells if run.workspace.done(run.pipeline.sample(cell.size, cell.seed))
    }
    assert prepared == {50}


def test_a_cell_or_a_size_that_is_not_there_is_refused(new_run: NewRun) -> None:
    _refused(new_run(), "has no cell '50-s1'; nearest: 50-source-s1,", "--cell", "50-s1")
    _refused(new_run(), "has no size '5k'; allowed: 50, 200", "--size", "5k")
    _refused(new_run(), "--size: '5q' is no size; write a number of pairs", "--size", "5q")


def test_without_a_mirror_or_network_the_remedy_is_said(new_run: NewRun) -> None:
    run = new_run()
    command = [part for part in run.arguments("run") if part not in ("--mirror", str(run.mirror))]
    result = subprocess.run(command, capture_output=True, text=True, env=_without_network())
    assert result.returncode == 1
    assert "nmt-ablation mirror EXPERIMENT --to DIR" in result.stderr.replace("\n", " ")
    assert "pass --mirror DIR or set NMT_ABLATION_MIRROR" in result.stderr


def test_a_mirror_with_another_file_for_a_version_is_refused(
    new_run: NewRun, tmp_path: Path
) -> None:
    run = new_run()
    run.workspace.ensure(run.pipeline.sample(50, 1))
    write_mirror(tmp_path / "other", pairs=501, lines=2000, seed=3)
    elsewhere = Run(run.file, tmp_path / "elsewhere", tmp_path / "other")
    _refused(elsewhere, r"moses/en-xx\.txt\.zip is not what it was when .*tiny\.lock was written")


def test_a_mirror_that_is_not_there_is_said(new_run: NewRun, tmp_path: Path) -> None:
    _refused(new_run(mirror=tmp_path / "none"), "there is no such folder to fetch corpora from")


def _without_network() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k != "NMT_ABLATION_MIRROR"}
    return environment | dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")


def _refused(run: Run, says: str, *arguments: str) -> None:
    result = run.call("run", *arguments)
    assert result.returncode == 1
    assert re.search(says, result.stderr.replace("\n", " ")), result.stderr
    assert "Traceback" not in result.stderr + result.stdout


def test_a_tokenizer_that_can_not_be_used_is_said_before_anything_is_built(new_run: NewRun) -> None:
    run = new_run(("decoding:", "scoring: {metrics: {bleu: {tokenizer: ja-mecab}}}\ndecoding:"))
    result = run.call("run")
    assert result.returncode == 1
    assert "pip install sacrebleu[ja]" in result.stderr.replace("\n", " ")
    assert not (run.workspace_root / "store").exists()


def test_no_more_is_fetched_than_what_is_left_takes(prepared: None, new_run: NewRun) -> None:
    run = new_run()
    shutil.copytree(os.environ["NMT_ABLATION_CACHE"], run.workspace_root)
    for stage in ("fetch", "binarise"):
        shutil.rmtree(run.workspace_root / "store" / stage)
    pipeline, cell = run.pipeline, run.cell(200, "random")
    left = run.workspace.to_build(*pipeline.preparation([cell]))
    assert [stage.name for stage in left] == ["binarise"]
    assert not any(stage.needs_network for stage in left)
    everything = pipeline.binarise(200, 1).ancestors()
    assert [stage.name for stage in everything if stage.needs_network] == ["fetch"] * 3


def test_what_finished_cells_were_made_of_may_be_removed(finished: Run, tmp_path: Path) -> None:
    """A disk has an end, and OPUS's files are what fills it."""
    workspace = tmp_path / "workspace"
    shutil.copytree(finished.workspace_root, workspace)
    large = {"fetch", "clean", "pool", "sample", "monolingual", "vectors", "rows", "train"}
    for stage in large:
        shutil.rmtree(workspace / "store" / stage)
    run = Run(finished.file, workspace, finished.mirror)
    assert "8 of 8 cells are done. To build: nothing." in run.call("plan").stdout
    again = run.call("run")
    said = "There is nothing to do: these cells are done.\n"
    assert (again.returncode, again.stderr) == (0, said)
    built = {path.name for path in (workspace / "store").iterdir()}
    assert built.isdisjoint(large)
    assert run.call("status").stdout.endswith("8 done\n")
    result = run.call("report", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "| Synthetic/v1 | 500 | 0 |" in (tmp_path / "tiny.md").read_text()


def test_a_comparison_is_made_by_whoever_finishes_its_second_cell(
    prepared: None, new_run: NewRun
) -> None:
    run = new_run()
    pipeline, workspace = run.pipeline, run.workspace
    frozen, random = run.cell(50, "frozen"), run.cell(50, "random")
    assert run.call("run", "--cell", "50-frozen-s1").returncode == 0
    assert workspace.done(pipeline.resamples(frozen))
    assert not workspace.done(pipeline.train(random))  # nobody asked for it
    assert not workspace.done(pipeline.compare(frozen))
    assert "1 done" in run.call("status").stdout
    assert run.call("run", "--cell", "50-random-s1").returncode == 0
    assert workspace.done(pipeline.compare(frozen))
    workspace.forget(pipeline.compare(frozen))  # as if killed right before it
    assert "compare" in run.call("plan").stdout
    assert run.call("run", "--cell", "50-frozen-s1").returncode == 0
    assert workspace.done(pipeline.compare(frozen))
