"""The shell scripts: what they need is said in one line with the remedy."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [*(ROOT / "recipes").glob("*.sh"), ROOT / "tests" / "run.sh", ROOT / ".ci" / "run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_stop_at_errors(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "set -euo pipefail" in script.read_text()


OLD = '#!/bin/sh\ncase "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac\n'
NO_HEADERS = '#!/bin/sh\ncase "$2" in *sysconfig*) echo /nowhere;; esac\n'
NO_VENV = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n'


@pytest.mark.parametrize(
    ("python", "compiler", "says"),
    [
        (None, "sh", "there is no .*; install Python 3.11 or later, or set PYTHON to one"),
        (OLD, "sh", "Python 3.9.2 is too old; install Python 3.11 or later and set PYTHON to it"),
        (NO_VENV, "sh", "has no venv; on Debian and Ubuntu: apt-get install python3-venv"),
        (NO_HEADERS, "none", "there is no none, .*: apt-get install g.."),
        (NO_HEADERS, "sh", "there is no /nowhere/Python.h, .*: apt-get install python3-dev"),
    ],
    ids=["no python", "old python", "no venv", "no compiler", "no headers"],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, python: str | None, compiler: str, says: str
) -> None:
    (tmp_path / "recipes").mkdir()
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt", "recipes/setup.sh"):
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


def test_setting_up_twice_does_nothing() -> None:
    if not (ROOT / ".venv" / "installed-test").exists():
        pytest.skip("this checkout was not set up by recipes/setup.sh")
    result = subprocess.run(
        ["bash", str(ROOT / "recipes" / "setup.sh"), "test"], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
