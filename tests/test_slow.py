"""Long forms of tests run where what they cover has changed, and nowhere else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = Path(__file__).with_name("slow.py")
CONFTEST = """\
from tests.slow import Slow


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow(*paths): covers them")
    config.pluginmanager.register(Slow(config))
"""
TESTS = """\
import pytest


@pytest.mark.slow("code")
def test_long():
    pass


@pytest.mark.slow("code")
def test_that_fails():
    assert False


def test_short():
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {"tests/__init__.py": "", "tests/conftest.py": CONFTEST, "tests/test_it.py": TESTS}
    for name, text in {**files, "setup.cfg": "", "constraints.txt": "", "code/it.py": ""}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    shutil.copy(SLOW, tmp_path / "tests")
    return tmp_path


def _outcome(project: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    found = subprocess.run(command, cwd=project, capture_output=True, text=True)
    return found.stdout.splitlines()[-1].partition(" in ")[0]


def test_it_is_skipped_where_it_has_passed_on_the_same_files(project: Path) -> None:
    assert _outcome(project) == "1 failed, 2 passed"
    assert _outcome(project, "--slow", "--numprocesses=2") == "1 failed, 2 passed"
    assert _outcome(project, "--numprocesses=2") == "1 failed, 1 passed, 1 skipped"
    (project / "code" / "more.py").write_text("changed = True\n")
    assert _outcome(project) == "1 failed, 2 passed"


def test_what_is_covered_has_to_be_there(project: Path) -> None:
    shutil.rmtree(project / "code")
    assert "passed" not in _outcome(project)
