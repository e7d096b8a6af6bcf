"""Experiments from Python, from a script without a guard, and in a notebook."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from ruamel.yaml import YAML

from nmt_ablation import Experiment
from nmt_ablation.errors import UserError
from tests.conftest import TINY, Run
from tests.slow import FROM_PYTHON

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


@pytest.fixture
def opened(finished: Run) -> Experiment:
    return Experiment.read(finished.file, workspace=finished.workspace_root, mirror=finished.mirror)


def test_a_finished_experiment_has_results_figures_and_a_report(
    opened: Experiment, tmp_path: Path
) -> None:
    assert opened.name == "tiny" and opened.cells[0] == "50-random-s1"
    assert "8 of 8 cells are done" in opened.plan()
    assert set(opened.status()["state"]) == {"done"}
    assert len(opened.scores()) == 8 and {"arm", "size", "bleu"} <= set(opened.means().columns)
    assert "Against random" in opened.verdict()
    assert "<svg" in opened.figure()._repr_svg_()
    opened.figure().save(tmp_path / "figure.png")
    assert opened.report(tmp_path / "report").read_text().startswith("<!doctype html>")
    opened.run()  # which has nothing to do


def test_an_experiment_is_a_dictionary_too(tmp_path: Path, mirror: Path, prepared: None) -> None:
    definition: dict[str, Any] = YAML(typ="safe").load(TINY)
    definition |= {"sizes": [50], "arms": {"random": {}}}
    mine = Experiment.of(definition, workspace=tmp_path, mirror=mirror)
    assert mine.cells == ["50-random-s1"]
    with pytest.raises(UserError, match=r"tiny\.yaml:\d+: arms\.random\.begin: unknown key"):
        Experiment.of(definition | {"arms": {"random": {"begin": {}}}}, workspace=tmp_path)


def test_a_script_needs_no_guard(tmp_path: Path, mirror: Path, preparation: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("[50, 200]", "[50]"))
    script = tmp_path / "script.py"
    script.write_text(
        "from nmt_ablation import Experiment\n"
        "print('begun')\n"
        f"mine = Experiment.read('tiny.yaml', mirror={str(mirror)!r}, cache={str(preparation)!r})\n"
        "mine.run(['50-random-s1'])\n"
        "print(len(mine.scores()))\n"
    )
    result = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["begun", "1"]


def test_each_run_has_the_environment_of_its_time(
    tmp_path: Path, mirror: Path, prepared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs are forked from one server, which started with the first run."""
    program = "import os, sys; [print(os.environ['POINTS']) for _ in open(sys.argv[1])]"
    points = {"kind": "command", "command": [sys.executable, "-c", program, "{hypotheses}"]}
    definition: dict[str, Any] = YAML(typ="safe").load(TINY)
    definition |= {"sizes": [50], "scoring": {"metrics": {"bleu": {}, "points": points}}}
    mine = Experiment.of(definition, workspace=tmp_path, mirror=mirror)
    for number, cell in (("1", "50-random-s1"), ("2", "50-frozen-s1")):
        monkeypatch.setenv("POINTS", number)
        mine.run([cell])
    assert list(mine.scores()["points"]) == [1, 2]


def test_a_mistake_is_an_error_of_one_kind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        Experiment.read(tmp_path / "nowhere.yaml")
    (tmp_path / "tiny.yaml").write_text(TINY)
    mine = Experiment.read(tmp_path / "tiny.yaml", workspace=tmp_path, mirror=tmp_path)
    with pytest.raises(UserError, match="no cell of tiny is finished yet"):
        mine.results()


@pytest.mark.slow(*FROM_PYTHON)
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    shown = {
        kind
        for cell in notebook.cells
        for it in cell.get("outputs", ())
        for kind in it.get("data", {})
    }
    assert {"image/svg+xml", "text/html"} <= shown
