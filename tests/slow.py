"""Long forms of tests, which run again only when what they cover has changed.

A test marked `slow` names the files and folders that it covers. It is skipped where tests/slow.sums
says that it has passed on the very same files, which is so after

    bash tests/run.sh --slow

has run all of them, and its sums are committed. Everywhere else it runs like any other test.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUMS = Path(__file__).with_name("slow.sums")
ALWAYS = ("tests/conftest.py", "setup.cfg", "constraints.txt")
"""The files that each of them covers, beside its own."""
PROPERTY = "covered"


def package(*names: str) -> tuple[str, ...]:
    """Return the paths of files and folders in the package."""
    return tuple(f"nmt_ablation/{name}" for name in names)


TRAINING = package(
    *("training", "model", "transfer", "objectives", "pretrained", "translation", "stages"),
    *("workspace.py", "artifact.py", "stopping.py"),
)
RUNNING = package(
    *("runner.py", "session.py", "schedule.py", "stopping.py", "workspace.py", "artifact.py"),
    *("files.py", "stage.py", "pipeline", "stages", "training", "corpus", "opus"),
)
SUBMITTING = (
    *RUNNING,
    *package("slurm", "cli/cluster.py", "next_look.py", "status.py", "cost.py"),
    "slurm",
)
REGISTERED = (
    *package("registry.py", "pretrained", "objectives", "scoring", "segmentation", "transfer"),
    "docs/plugins.md",
)
FROM_PYTHON = (
    *package("api.py", "session.py", "runner.py", "experiment", "results", "report"),
    "docs/notebook.ipynb",
)
"""The paths that tests of several files cover."""


class Slow:
    """The plug-in that skips long forms, or runs all of them and notes on what they passed."""

    def __init__(self, config: pytest.Config) -> None:
        self.everything: bool = config.getoption("--slow")
        self.known = dict(_read())
        self.passed: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("slow")
            if marker is None:
                continue
            own = str(item.path.relative_to(ROOT))
            digest = covered((*ALWAYS, own, *marker.args))
            item.user_properties.append((PROPERTY, digest))
            if not self.everything and self.known.get(item.nodeid) == digest:
                skip = pytest.mark.skip(reason=f"has passed on the same files: {SUMS.name}")
                item.add_marker(skip)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        digest = dict(report.user_properties).get(PROPERTY)
        if self.everything and report.when == "call" and report.passed and digest:
            self.passed[report.nodeid] = str(digest)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.passed and not hasattr(session.config, "workerinput"):  # a worker knows its own
            sums = sorted({**self.known, **self.passed}.items())
            SUMS.write_text("".join(f"{digest}  {name}\n" for name, digest in sums))


@cache
def covered(paths: tuple[str, ...]) -> str:
    """Return the SHA-256 of files, and of the files in folders."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(_files(ROOT / path))
        assert files, f"{path} is covered, and isn't there"
        for file in files:
            digest.update(f"{file.relative_to(ROOT)} {file.stat().st_size}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or the sources in a folder."""
    if path.is_file():
        yield path
    yield from (it for it in path.rglob("*") if it.is_file() and it.parent.name != "__pycache__")


def _read() -> Iterator[tuple[str, str]]:
    """Yield the tests that have passed, each with the sum of what it covered."""
    for line in SUMS.read_text().splitlines() if SUMS.exists() else ():
        digest, _, name = line.partition("  ")
        yield name, digest
