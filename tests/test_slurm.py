"""Experiments on a real SLURM cluster of this one machine."""

import json
import math
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nmt_ablation import cost
from nmt_ablation.artifact import SEALS
from nmt_ablation.errors import UserError
from nmt_ablation.slurm import cluster, scripts
from tests.conftest import NewRun, Run, two_arms, until
from tests.slow import SUBMITTING
from tests.test_parent import write_other

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
SCRIPT = ROOT / "slurm" / "one-node-cluster.sh"
NO_FROZEN = ("  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}\n", "")
NO_FINETUNED = ("  finetuned: {start: {embeddings: word2vec}}\n", "")
NO_SOURCE = (
    "  source: {start: {source-embeddings: word2vec}, tuning: {source-embeddings: frozen}}\n",
    "",
)
TWO_ARMS = (NO_FINETUNED, NO_SOURCE)
ONE_ARM = (NO_FROZEN, *TWO_ARMS)
"""One arm is enough for most tests: each costs a process that imports everything."""
CLUSTER = {"SLURM_TRY_DIR": "/var/tmp/nmt-ablation-test-cluster", "SLURM_TRY_MEMORY": "8192"}


def _script(action: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | CLUSTER | settings
    return subprocess.run(
        ["bash", str(SCRIPT), action], env=environment, capture_output=True, text=True
    )


def _why_not() -> str | None:
    """Return the reason why no cluster can start here, if there is one."""
    if os.geteuid() != 0:
        return "a cluster needs root: run the tests as root, as CI does"
    if not shutil.which("slurmctld") and not shutil.which("apt-get"):
        return "SLURM is not installed, and there is no apt-get to install it"
    if shutil.which("slurmctld") is None and _script("start").returncode:
        return "SLURM's packages could not be installed"
    return None


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster that is up for all these tests."""
    if why := _why_not():
        pytest.skip(why)
    started = _script("start")
    assert started.returncode == 0, started.stderr
    try:
        yield
    finally:
        subprocess.run(["scancel", "--me"], check=True)
        stopped = _script("stop")
        assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMT_ABLATION_SLURM_MEMORY", "1800M")
    monkeypatch.setenv("NMT_ABLATION_SLURM_TIME", "10")


def _queue() -> dict[str, str]:
    text = subprocess.check_output(
        ["squeue", "--noheader", "--states=all", "--array", "--format=%i|%T"], text=True
    )
    return dict(line.strip().split("|") for line in text.splitlines())


def _submitted(run: Run, *options: str) -> list[str]:
    """The numbers of the jobs that a submission has queued, in order."""
    result = run.call("submit", *options)
    assert result.returncode == 0, result.stderr
    return re.findall(r"^(\d+): ", result.stdout, re.MULTILINE)


def _ended(jobs: list[str]) -> bool:
    alive = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED"}
    return not any(
        state in alive for name, state in _queue().items() if name.partition("_")[0] in jobs
    )


def _states(run: Run) -> set[str]:
    """Return the states that `status` prints."""
    lines = run.call("status", "--json").stdout.splitlines()
    return {json.loads(line)["state"] for line in lines}


@contextmanager
def _cluster(**settings: str) -> Iterator[None]:
    """Have the cluster another configuration for a while."""
    for some in (settings, {}):
        started = _script("start", **some)
        assert started.returncode == 0, started.stderr
        if some:
            yield


def _reported(run: Run) -> set[str]:
    """The arms that the report has."""
    lines = (run.workspace_root / "tiny" / "report" / "tiny.jsonl").read_text().splitlines()
    return {json.loads(line)["arm"] for line in lines}


def test_an_experiment_is_submitted_from_corpora_to_report(
    slurm: None,
    new_run: NewRun,
    preparation: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NMT_ABLATION_SLURM_AT_ONCE", "1")
    run = new_run(("[50, 200]", "[200]"), *TWO_ARMS)
    jobs = _submitted(run)
    assert len(jobs) == 3
    again = run.call("submit")
    assert "nothing to submit" in again.stdout, again.stderr
    seen = set()

    def ended() -> bool:
        states = [s for n, s in _queue().items() if n.startswith(f"{jobs[1]}_")]
        seen.add(states.count("RUNNING"))
        return _ended(jobs)

    until(ended)
    assert max(seen) == 1  # and the cluster has CPUs for both
    assert _reported(run) == {"random", "frozen"}
    assert "nothing to submit" in run.call("submit").stdout
    here = Run(run.file, tmp_path / "here", run.mirror)
    assert here.call("run", "--cache", str(preparation)).returncode == 0
    for arm in ("random", "frozen"):
        stage = run.pipeline.train(run.cell(200, arm))
        assert run.workspace.record(stage).weights == here.workspace.record(stage).weights


@pytest.mark.slow(*SUBMITTING)
def test_elements_stopped_in_mid_training_come_to_the_same_end(
    slurm: None, prepared: None, new_run: NewRun, tmp_path: Path
) -> None:
    run = new_run(
        ("max_updates: 60", "max_updates: 500"),
        ("validate_every: 20", "validate_every: 500"),
        ("[50, 200]", "[200]"),
        *TWO_ARMS,
    )
    uninterrupted = Run(run.file, tmp_path / "uninterrupted", run.mirror)
    result = uninterrupted.call("run")
    assert result.returncode == 0, result.stderr
    jobs = _submitted(run)
    asking = [
        # What SLURM does so many seconds before the time is up.
        ("random", ["scancel", "--batch", "--signal=USR1"]),
        # What it does when the machine is wanted back.
        ("frozen", ["scontrol", "requeue"]),
    ]
    stages = [run.pipeline.train(run.cell(200, arm)) for arm, _ in asking]
    waiting = {0, 1}

    def asked() -> bool:
        for number in list(waiting):
            if (run.workspace.progress(stages[number]) or (0, 0))[0] > 20:
                subprocess.run([*asking[number][1], f"{jobs[0]}_{number}"], check=True)
                waiting.remove(number)
        return not waiting

    until(asked)
    until(lambda: _ended(jobs))
    for number, stage in enumerate(stages):
        told = subprocess.check_output(
            ["scontrol", "show", "job", f"{jobs[0]}_{number}"], text=True
        )
        assert "Restarts=1" in told and "COMPLETED" in told
        one, other = (each.workspace.record(stage) for each in (run, uninterrupted))
        assert (one.weights, one.validations) == (other.weights, other.validations)
        log = run.workspace_root / "tiny" / "slurm" / "001" / "cells" / str(number) / "log.txt"
        said = log.read_text()
        assert "the same command goes on from here" in said and "done in" in said


@pytest.mark.slow(*SUBMITTING)
def test_networks_are_elements_of_their_own_and_only_what_needs_them_waits(
    slurm: None, prepared: None, new_run: NewRun, tmp_path: Path
) -> None:
    long = "updates: 600, validate_every: 600, batch_tokens: 256"
    run = new_run(
        ("fit_on: monolingual", "fit_on: monolingual, joint: true"),
        (
            "  word2vec: {kind: word2vec, epochs: 2}\n",
            f"  bart: {{kind: network, objective: denoising, {long}}}\n"
            "  own: {kind: network, objective: mass, text: sample, updates: 20}\n",
        ),
        (NO_FROZEN[0], "  whole: {start: {model: bart}}\n"),
        (NO_FINETUNED[0], "  own: {start: {model: own}, sizes: [50]}\n"),
        NO_SOURCE,
    )
    preparation, network, *arrays, report = _submitted(run)
    # A network of one cell is trained by the cell's own element.
    scripts = run.workspace_root / "tiny" / "slurm" / "001"
    assert (scripts / "networks.txt").read_text() == "--network=network-bart\n"
    assert [(scripts / f"cells-of-{n}.txt").read_text().split() for n in (1, 2)] == [
        ["--cell=50-random-s1", "--cell=50-own-s1", "--cell=200-random-s1"],
        ["--cell=50-whole-s1", "--cell=200-whole-s1"],
    ]
    assert len(arrays) == 2
    stage = run.pipeline.network("bart", 200, 1)
    # The speed is known a second after the first updates.
    until(lambda: (told := run.workspace.progress(stage)) is not None and told.speed is not None)
    assert re.search(
        r"network-bart +running +network [\d,]+ of 600, .*\[RUNNING\]", run.call("status").stdout
    )
    assert "nothing to submit" in run.call("submit").stdout
    subprocess.run(["scontrol", "requeue", f"{network}_0"], check=True)
    others = run.pipeline.score(run.cell(200, "random"))
    until(lambda: run.workspace.done(others))
    assert not run.workspace.done(run.pipeline.score(run.cell(50, "whole")))
    until(lambda: _ended([preparation, network, *arrays, report]))
    told = subprocess.check_output(["scontrol", "show", "job", f"{network}_0"], text=True)
    assert "Restarts=1" in told and "COMPLETED" in told
    assert _states(run) == {"done"}
    assert _reported(run) == {"random", "whole", "own"}
    here = Run(run.file, tmp_path / "here", run.mirror)
    assert here.call("run", "--network", "network-bart").returncode == 0
    one, other = (each.workspace.record(stage) for each in (run, here))
    assert (one.weights, one.validations) == (other.weights, other.validations)


@pytest.mark.slow(*SUBMITTING)
def test_a_parent_is_an_element_and_so_is_a_model_that_two_arms_translate_back_with(
    slurm: None, prepared: None, new_run: NewRun, tmp_path: Path
) -> None:
    write_other(tmp_path)
    changed = (
        (
            "  word2vec: {kind: word2vec, epochs: 2}\n",
            "  parent: {kind: parent, experiment: other.yaml, cell: 150-random-s1}\n",
        ),
        (
            NO_FROZEN[0],
            "  whole: {start: {model: parent}}\n  half: {start: {encoder: parent}}\n",
        ),
        (NO_FINETUNED[0], "  back: {back_translation: {}}\n"),
        (NO_SOURCE[0], "  plain: {back_translation: {tagged: false}, sizes: [50]}\n"),
    )
    # The model of 200 pairs serves one cell, whose element trains it.
    said = new_run(*changed).call("submit", "--dry-run").stdout
    assert "network-reverse-50-s1" in said and "network-reverse-200-s1" not in said
    run = new_run(("[50, 200]", "[50]"), *changed)
    jobs = _submitted(run)
    scripts = run.workspace_root / "tiny" / "slurm" / "001"
    assert (scripts / "networks.txt").read_text().splitlines() == [
        "--network=network-parent",
        "--network=network-reverse-50-s1",
    ]
    until(lambda: _ended(jobs))
    assert _states(run) == {"done"}
    assert _reported(run) == {"random", "whole", "half", "back", "plain"}


@pytest.mark.slow(*SUBMITTING)
def test_an_element_out_of_time_queues_again(
    slurm: None, prepared: None, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It then goes on like any that was stopped, which the test above sees through to the end."""
    monkeypatch.setenv("NMT_ABLATION_SLURM_WARNING", "35")
    run = new_run(
        ("[50, 200]", "[200]"),
        ("max_updates: 60", "max_updates: 100000"),
        ("validate_every: 20", "validate_every: 50000"),
        *ONE_ARM,
    )
    jobs = _submitted(run, "--time", "2")  # SLURM warns up to a minute earlier than asked

    def told() -> str:
        return subprocess.check_output(["scontrol", "show", "job", f"{jobs[0]}_0"], text=True)

    until(lambda: "Restarts=1" in told())
    subprocess.run(["scancel", jobs[0]], check=True)
    until(lambda: _ended(jobs))
    log = run.workspace_root / "tiny" / "slurm" / "001" / "cells" / "0" / "log.txt"
    assert "the same command goes on from here" in log.read_text()


@pytest.mark.slow(*SUBMITTING)
def test_an_element_out_of_memory_is_submitted_again_with_more(
    slurm: None, prepared: None, new_run: NewRun
) -> None:
    run = new_run(("[50, 200]", "[200]"), *ONE_ARM)
    jobs = _submitted(run, "--memory", "120M")
    until(lambda: _ended(jobs))
    assert _states(run) == {"failed"}
    assert "emory" in run.call("status").stdout  # SLURM's word for it depends on its settings
    again = _submitted(run, "--failed", "--memory", "1800M")
    until(lambda: _ended(again))
    assert _states(run) == {"done"}


def test_what_is_cancelled_is_reported_and_submitted_again_when_asked(
    slurm: None, prepared: None, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMT_ABLATION_SLURM_AT_ONCE", "1")
    longer = (
        ("max_updates: 60", "max_updates: 100000"),
        ("validate_every: 20", "validate_every: 50000"),
    )
    run = new_run(*longer, *TWO_ARMS, ("[50, 200]", "[200]"))
    jobs = _submitted(run)
    far = r"running +train [\d,]+ of 100,000, [\d.,]+/s, at most \d+ (h|min).*\[RUNNING\]"
    until(lambda: re.search(far, run.call("status").stdout) is not None)
    assert _states(run) == {"running", "queued"}
    subprocess.run(["scancel", jobs[0]], check=True)
    until(lambda: _ended(jobs))
    told = subprocess.check_output(["scontrol", "show", "job", f"{jobs[0]}_0"], text=True)
    assert "Restarts=0" in told  # it didn't put itself into the queue again
    assert _states(run) == {"failed"}
    assert f"job {jobs[0]}_0 ended before this was done: CANCELLED" in run.call("status").stdout
    assert "nothing to submit" in run.call("submit").stdout
    assert '--array="0-1%1"' in run.call("submit", "--failed", "--dry-run").stdout


@pytest.mark.slow(*SUBMITTING)
def test_the_accounting_is_asked_for_what_the_queue_forgot(
    slurm: None, prepared: None, new_run: NewRun
) -> None:
    longer = (
        ("max_updates: 60", "max_updates: 100000"),
        ("validate_every: 20", "validate_every: 50000"),
    )
    run = new_run(*longer, *TWO_ARMS, ("[50, 200]", "[200]"))
    with _cluster(SLURM_TRY_ACCOUNTING="yes", SLURM_TRY_AGE="5"):
        jobs = _submitted(run)
        until(lambda: "running" in _states(run))
        subprocess.run(["scancel", *jobs], check=True)
        until(lambda: not any(name.partition("_")[0] in jobs for name in _queue()))
        assert f"job {jobs[0]}_0 ended before this was done: CANCELLED" in run.call("status").stdout
    assert f"job {jobs[0]}_0 ended before this was done: no record" in run.call("status").stdout
    assert "nothing to submit" in run.call("submit").stdout


@pytest.mark.slow(*SUBMITTING)
def test_small_cells_share_an_element_and_large_arrays_are_split(
    slurm: None, prepared: None, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    seconds = 60 * 0.001 * cost.BESIDES_UPDATES + cost.START_SECONDS
    assert run.call("calibrate").returncode == 0
    manifest = run.workspace.path(run.pipeline.calibration()) / "artifact.json"
    found = json.loads(manifest.read_text())
    found["record"]["seconds"] = 0.001
    manifest.write_text(json.dumps(found))
    (manifest.parent / SEALS).unlink()  # as what is edited is not believed
    monkeypatch.setenv("NMT_ABLATION_SLURM_SHARE", "1")
    monkeypatch.delenv("NMT_ABLATION_SLURM_MEMORY")  # what was seen has to be enough
    with _cluster(SLURM_TRY_ARRAY="3"):  # of the numbers of elements, so two elements an array
        jobs = _submitted(run)
        assert len(jobs) == 3
        until(lambda: _ended(jobs))
    assert int(60 // seconds) == 3
    assert {name for name in _queue() if name.partition("_")[0] in jobs[:-1]} == {
        f"{jobs[0]}_0",
        f"{jobs[0]}_1",
        f"{jobs[1]}_0",
    }
    assert _states(run) == {"done"}
    assert len(_reported(run)) == 4


def test_elements_ask_for_the_time_that_they_can_take(
    preparation: Path, prepared: None, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without asking SLURM for anything: `--dry-run` shows the scripts."""
    monkeypatch.setenv("NMT_ABLATION_SLURM_TIME", "600")
    joint = ("fit_on: monolingual", "fit_on: monolingual, joint: true")
    thing = "  word2vec: {kind: word2vec, epochs: 2}\n"
    network = "  bart: {kind: network, objective: denoising, updates: 6000, batch_tokens: 512}\n"
    arms = "  one: {start: {model: bart}}\n  other: {start: {layers: bart}}\n"
    run = new_run(joint, (thing, thing + network), ("baseline: r", f"{arms}baseline: r"))
    assert set(_times(run.call("submit", "--dry-run").stdout)) == {"600"}
    assert run.call("calibrate").returncode == 0
    manifest = run.workspace.path(run.pipeline.calibration()) / "artifact.json"
    found = json.loads(manifest.read_text())
    found["record"]["seconds"] = 0.2
    manifest.write_text(json.dumps(found))
    (manifest.parent / SEALS).unlink()  # as what is edited is not believed
    seconds = 6000 * 2 * 0.2 * cost.BESIDES_UPDATES + cost.START_SECONDS  # of double batches
    asked = math.ceil((2 * seconds + cluster.Cluster().warning) / 60)
    times = _times(run.call("submit", "--dry-run").stdout)
    assert times == ["600", str(asked), "30", "30", "600"]  # preparation, networks, cells, report


def _times(said: str) -> list[str]:
    return re.findall(r'#SBATCH --time="(\d+)"', said)


@pytest.mark.parametrize(
    ("time", "seconds", "limit"),
    [
        ("04:00:00", 10, "30"),
        ("04:00:00", 3600, "122"),
        ("04:00:00", 7140, "04:00:00"),
        ("1-0", 7140, "240"),
        ("10", 1, "10"),
    ],
)
def test_a_time_limit_is_twice_the_time_within_bounds(
    time: str, seconds: float, limit: str
) -> None:
    assert cluster.Cluster(time=time).limit(seconds) == limit


@pytest.mark.slow(*SUBMITTING)
def test_processes_of_a_cell_are_started_by_srun(
    slurm: None, prepared: None, new_run: NewRun, tmp_path: Path
) -> None:
    run = new_run(
        ("[50, 200]", "[200]"), *ONE_ARM, ("  patience: 2\n", "  patience: 2\n  processes: 2\n")
    )
    jobs = _submitted(run)
    assert '--ntasks="2"' in (run.workspace_root / "tiny/slurm/001/cells.sbatch").read_text()
    until(lambda: _ended(jobs))
    assert _states(run) == {"done"}
    here = Run(run.file, tmp_path / "here", run.mirror)
    assert here.call("run", "--cell", "200-random-s1").returncode == 0
    stage = run.pipeline.train(run.cell(200, "random"))
    assert run.workspace.record(stage).weights == here.workspace.record(stage).weights


@pytest.mark.slow(*SUBMITTING)
def test_two_submit_at_once_from_an_odd_folder_to_nodes_without_a_network(
    slurm: None, new_run: NewRun, tmp_path: Path
) -> None:
    """Nothing is handed over twice, and nothing of a path is run by a shell."""
    run = new_run(("[50, 200]", "[50]"), *ONE_ARM)
    handler = partial(SimpleHTTPRequestHandler, directory=run.mirror)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    odd = tmp_path / "a $(touch ran) `touch ran`; touch ran"
    odd.mkdir()
    file = Path(shutil.move(run.file, odd / "tiny.yaml"))
    run = Run(file, odd / "workspace", f"http://127.0.0.1:{server.server_port}")
    settings = odd / "cluster.yaml"
    settings.write_text("container: [unshare, --net]\n")
    both = [
        subprocess.Popen(
            run.arguments("submit", "--cluster", str(settings)), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    server.shutdown()
    assert sorted("nothing to submit" in text for text in said) == [False, True]
    jobs = [number for text in said for number in re.findall(r"^(\d+): ", text, re.MULTILINE)]
    assert len(jobs) == 3
    until(lambda: _ended(jobs))
    assert _states(run) == {"done"}
    assert _reported(run) == {"random"}
    assert not list(tmp_path.rglob("ran")) and not Path("ran").exists()


def test_what_fails_holds_nothing_up_and_is_submitted_again_when_asked(
    slurm: None, new_run: NewRun
) -> None:
    broken = "  source: {start: {embeddings: word2vec}, tuning: {embeddings: {rate: 1.0e+30}}}\n"
    run = new_run(
        ("[50, 200]", "[50]"),
        NO_FROZEN,
        NO_FINETUNED,
        (NO_SOURCE[0], broken),
    )
    jobs = _submitted(run)
    until(lambda: _ended(jobs))
    states = _queue()
    assert states[f"{jobs[1]}_1"] == "FAILED" and states[jobs[2]] == "COMPLETED"
    assert _reported(run) == {"random"}
    result = run.call("submit")
    assert "failed before, and left out: 50-source-s1" in result.stderr
    assert "nothing to submit" in result.stdout
    again = _submitted(run, "--failed", "--memory", "2G")
    script = run.workspace_root / "tiny" / "slurm" / "002" / "cells.sbatch"
    assert '--mem="2G"' in script.read_text()
    assert len(again) == 2
    until(lambda: _ended(again))


def test_a_preparation_that_fails_cancels_the_cells_and_not_the_report(
    slurm: None, new_run: NewRun
) -> None:
    run = new_run(("[50, 200]", "[50]"), ("test: 30}", "test: 30000}"))
    jobs = _submitted(run)
    until(lambda: _ended(jobs))
    states = _queue()
    assert states[jobs[0]] == "FAILED"
    assert {states[name] for name in states if name.startswith(f"{jobs[1]}_")} == {"CANCELLED"}
    told = run.call("status").stdout
    assert f"the preparation, job {jobs[0]}, failed (see " in told
    assert "held_out.test asks for 30000 pairs" in told
    assert told.count(", failed (see ") == 1  # not once for each cell
    assert states[jobs[2]] in ("COMPLETED", "FAILED")


@pytest.mark.slow(*SUBMITTING)
def test_status_answers_without_a_controller(
    slurm: None, prepared: None, new_run: NewRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(("[50, 200]", "[50]"))
    jobs = _submitted(run)
    until(lambda: _ended(jobs))
    nowhere = tmp_path / "slurm.conf"
    nowhere.write_text("ClusterName=none\nSlurmctldHost=localhost\nSlurmctldPort=1\n")
    monkeypatch.setenv("SLURM_CONF", str(nowhere))
    result = run.call("status")
    assert result.returncode == 0, result.stderr
    assert "warning: the queue doesn't answer" in result.stdout
    assert "4 done" in result.stdout


def test_what_can_never_run_is_refused_before_anything_is_queued(
    slurm: None, new_run: NewRun
) -> None:
    run = new_run(("[50, 200]", "[50]"))
    before = _queue().keys()
    result = run.call("submit", "--memory", "900G")
    assert result.returncode == 1
    assert "sbatch: " in result.stderr and "Traceback" not in result.stderr
    assert _queue().keys() == before
    assert not (run.workspace_root / "tiny" / "slurm" / "submissions.json").exists()


def test_scripts_are_the_golden_files(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run()
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "partition: main\nat_once: 8\nmodules: [python/3.11]\n"
        "container: [apptainer, exec, my image.sif]\nwarning: 60\n"
    )
    result = run.call("submit", "--dry-run", "--cluster", str(file))
    assert result.returncode == 0, result.stderr
    said = result.stdout.replace(str(tmp_path), "/FOLDER").replace(str(run.mirror), "/MIRROR")
    said = said.replace(str(scripts.TEMPLATES.parent), "/CHECKOUT")
    said = re.sub(r"\S*/nmt-ablation", "/BIN/nmt-ablation", said)
    golden = GOLDEN / "submission.txt"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()
    assert not list((run.workspace_root / "tiny" / "slurm").glob("0*"))


def test_several_processes_in_a_container_are_refused(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run(("  patience: 2\n", "  patience: 2\n  processes: 2\n"))
    (tmp_path / "mine.yaml").write_text("container: [apptainer, exec, image.sif]\n")
    result = run.call("submit", "--dry-run", "--cluster", str(tmp_path / "mine.yaml"))
    assert result.returncode == 1
    assert "srun, which starts them, can't be called from within" in result.stderr


@pytest.mark.parametrize("name", ['x"y', "x\ny", "100%"])
def test_a_path_that_would_leave_its_line_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="can't be given this path"):
        scripts.options(cluster.Cluster(), "tiny", Path(name), 1, "4G")


def test_a_cluster_file_is_checked_and_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("partition: gpu\nmemory: 8G\n")
    monkeypatch.setenv("NMT_ABLATION_SLURM_PARTITION", "debug")
    asked = cluster.load(file, {"time": "1-0"})
    assert (asked.partition, asked.memory, asked.time) == ("debug", "1800M", "1-0")
    monkeypatch.setenv("NMT_ABLATION_SLURM_GPUS", "1 --wrap=ls")
    with pytest.raises(UserError, match="NMT_ABLATION_SLURM_GPUS"):
        cluster.load(file, {})
    monkeypatch.delenv("NMT_ABLATION_SLURM_GPUS")
    with pytest.raises(UserError, match="time: 2:00 leaves nothing before the 120 seconds"):
        cluster.load(file, {"time": "2:00"})
    file.write_text("partitoin: gpu\n")
    with pytest.raises(UserError, match=r"cluster.yaml:1.*did you mean 'partition'"):
        cluster.load(file, {})


def test_the_cluster_file_in_the_checkout_shows_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MEMORY", "TIME"):
        monkeypatch.delenv(f"NMT_ABLATION_SLURM_{name}")
    assert cluster.load(ROOT / "slurm" / "cluster.yaml", {}) == cluster.Cluster()


@pytest.mark.slow(*SUBMITTING)
def test_looks_submit_one_another_until_all_is_decided(
    slurm: None, tmp_path: Path, mirror: Path
) -> None:
    run = two_arms(tmp_path, mirror, "{looks: [2, 3], smallest_gain: 0.01}")
    first = _submitted(run, "--until-decided")
    record = run.workspace_root / "tiny" / "slurm" / "submissions.json"

    def jobs() -> list[str]:
        return [job["job"] for one in json.loads(record.read_text()) for job in one["jobs"]]

    def over() -> bool:
        before = jobs()
        return _ended(before) and jobs() == before

    until(over)
    result = run.call("submit", "--until-decided")
    assert result.returncode == 0, result.stderr
    assert "of 1 comparisons are decided" in result.stdout
    means = json.loads((run.workspace_root / "tiny" / "report" / "tiny.json").read_text())["means"]
    (row,) = [row for row in means if row["gains"]]
    looks = {2: 1, 3: 2}[row["seeds"]]
    assert len(json.loads(record.read_text())) == looks and (len(jobs()) > len(first)) == (
        looks > 1
    )
    assert run.call("submit").stdout.startswith("There is nothing to submit") == (looks > 1)
