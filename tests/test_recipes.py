"""The shell scripts: what they need is said in one line with the remedy."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.slow import RUNNING

ROOT = Path(__file__).parents[1]
ABLATIONS = sorted(
    path.stem for path in (ROOT / "recipes").glob("*.yaml") if path.stem != "quickstart"
)
SCRIPTS = [*(ROOT / "recipes").glob("*.sh"), ROOT / "tests" / "run.sh", ROOT / ".ci" / "run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_stop_at_errors(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "set -euo pipefail" in script.read_text()


OLD = '#!/bin/sh\ncase "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac\n'
HERE = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
NO_VENV = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n'


@pytest.mark.parametrize(
    ("python", "compiler", "says"),
    [
        (None, "sh", "there is no .*; install Python 3.11 or later, or set PYTHON to one"),
        (OLD, "sh", "Python 3.9.2 is too old; install Python 3.11 or later and set PYTHON to it"),
        (NO_VENV, "sh", "has no venv; on Debian and Ubuntu: apt-get install python3-venv"),
        (HERE, "none", "there is no none, .*: apt-get install g.."),
    ],
    ids=["no python", "old python", "no venv", "no compiler"],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, python: str | None, compiler: str, says: str
) -> None:
    (tmp_path / "recipes").mkdir()
    copied = ("setup.cfg", "pyproject.toml", "constraints.txt", "recipes/setup.sh")
    for name in (*copied, "recipes/backend.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    interpreter = tmp_path / "python"
    if python is not None:
        interpreter.write_text(python)
        interpreter.chmod(0o755)
    result = subprocess.run(
        ["bash", str(tmp_path / "recipes" / "setup.sh")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHON": str(interpreter), "CXX": compiler},
    )
    assert result.returncode == 1
    assert re.search(says, result.stderr), result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / ".venv").exists()


def test_headers_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: "/nowhere")
    found = runpy.run_path(str(ROOT / "recipes" / "backend.py"))["missing"]()
    assert re.fullmatch("there is no /nowhere/Python.h, .*: apt-get install python3-dev", found)


def test_setting_up_twice_does_nothing() -> None:
    if not (ROOT / ".venv" / "installed-test").exists():
        pytest.skip("this checkout was not set up by recipes/setup.sh")
    result = subprocess.run(
        ["bash", str(ROOT / "recipes" / "setup.sh"), "test"], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


class TestTargets:
    """The options of the script that recipes share."""

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        """A checkout that was set up, with the tiny experiment among its recipes."""
        root = tmp_path / "checkout"
        (root / "recipes").mkdir(parents=True)
        (root / ".venv").mkdir()
        (root / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
            (root / name).symlink_to(ROOT / name)
        for name in ("setup.sh", "ablation.sh"):
            (root / "recipes" / name).symlink_to(ROOT / "recipes" / name)
        (root / "recipes" / "tiny.yaml").write_text(f"# Does it run?\n{TINY}")
        stamp = "cat setup.cfg pyproject.toml constraints.txt recipes/setup.sh | cksum"
        with (root / ".venv" / "installed").open("w") as installed:
            subprocess.run(["bash", "-c", stamp], cwd=root, stdout=installed, check=True)
        return root

    @staticmethod
    def _call(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = str(root / "recipes" / "ablation.sh")
        kept = {key: value for key, value in os.environ.items() if "NMT_ABLATION" not in key}
        command = ["bash", script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=kept, timeout=300)

    @pytest.mark.parametrize("name", ABLATIONS)
    def test_each_ablation_has_a_script_with_help(self, name: str) -> None:
        script = ROOT / "recipes" / f"{name}.sh"
        result = subprocess.run(["bash", str(script), "--help"], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        for said in ("prepare", "submit", f"bash recipes/{name}.sh train --jobs 2"):
            assert said in result.stdout

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("frobnicate",), "there is no target 'frobnicate'; allowed: all, prepare, train"),
            (("prepare", "--mirror"), "--mirror needs a value"),
        ],
    )
    def test_a_wrong_call_is_told_so(
        self, checkout: Path, arguments: tuple[str, ...], says: str
    ) -> None:
        result = self._call(checkout, "tiny", *arguments)
        assert result.returncode == 2
        assert says in result.stderr

    def test_submitting_can_be_looked_at_first(self, checkout: Path, mirror: Path) -> None:
        result = self._call(checkout, "tiny", "submit", "--mirror", str(mirror), "--dry-run")
        assert result.returncode == 0, result.stderr
        assert '#SBATCH --array="0-7"' in result.stdout
        assert not list((checkout / "checkpoints" / "tiny" / "slurm").glob("0*"))

    @pytest.mark.slow(*RUNNING)
    def test_preparing_builds_what_cells_share_and_no_model(
        self, checkout: Path, mirror: Path
    ) -> None:
        result = self._call(checkout, "tiny", "prepare", "--mirror", str(mirror))
        assert result.returncode == 0, result.stderr
        stages = {path.name for path in (checkout / "checkpoints" / "store").iterdir()}
        assert {"sample", "vectors", "binarise"} <= stages
        assert "train" not in stages
