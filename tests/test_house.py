"""The house: which room may import which.

A room is a file or a folder right below nmt_ablation. An import is an arrow wherever it stands: at
the top, in a function, under TYPE_CHECKING. A name in a registry is no arrow.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = [
    ["api", "cli"],
    ["status"],
    ["slurm"],
    ["plan", "session"],
    ["bars", "inspection", "next_look", "pilot", "schedule"],
    ["runner", "cost", "report"],
    ["results", "store"],
    ["pipeline"],
    ["references", "stages"],
    ["experiment"],
    ["analysis"],
    ["pretrained"],
    ["training"],
    ["translation"],
    ["foreign", "objectives", "transfer"],
    ["model", "scoring", "segmentation"],
    ["corpus", "opus"],
    ["places", "workspace"],
    ["artifact"],
    ["stage"],
    ["machine", "progress", "registry", "stopping", "yaml_file"],
    ["absent", "beside", "files", "packed", "values"],
    ["errors"],
]
"""All rooms from top to bottom. A room imports only rooms of lower layers, so there is no circle,
and rooms of one layer don't know each other."""

HEAVY = {
    "fairseq": ["training", "translation", "pretrained.pretraining", "transfer.fused", "analysis"],
    "fairseq_cli": ["training"],
    "torch": [
        *("analysis", "training", "translation", "model", "objectives", "foreign"),
        *("transfer.start", "transfer.adopt", "transfer.features"),
        *("transfer.fused", "transfer.kept"),
        "pretrained.pretraining",
    ],
}
"""Libraries that take seconds to load, and the rooms or modules that may import them."""


def sources() -> Iterator[tuple[str, str]]:
    """Yield the name of each module below nmt_ablation, and its source."""
    package = ROOT / "nmt_ablation"
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            yield name, path.read_text(encoding="utf-8")


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of everything that a module imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports here are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def layers() -> dict[str, int]:
    return {room: number for number, rooms in enumerate(LAYERS) for room in rooms}


def upward(name: str, source: str, layer: dict[str, int]) -> list[str]:
    """List the imports of a module that don't run downwards."""
    room, found = name.split(".")[0], []
    for line, imported in imports(source):
        package, _, rest = imported.partition(".")
        other = rest.split(".")[0]
        below = layer.get(other, len(LAYERS)) > layer[room]
        if package == "nmt_ablation" and other != room and not below:
            found.append(f"nmt_ablation.{name}, line {line}: imports {other}")
    return found


def test_every_room_has_a_place() -> None:
    assert sorted(layers()) == sorted({name.split(".")[0] for name, _ in sources()})


def test_arrows_run_downwards_only() -> None:
    layer = layers()
    found = [arrow for name, source in sources() for arrow in upward(name, source, layer)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "from nmt_ablation.cli import main",
        "from nmt_ablation import cli",
        "import nmt_ablation.cli.runs",
        "def f():\n    from nmt_ablation.cli.runs import run",
        "if TYPE_CHECKING:\n    from nmt_ablation.cli import main",
        "from nmt_ablation.opus.lock import Lock",
    ],
)
def test_an_arrow_upwards_or_to_the_side_is_found(source: str) -> None:
    assert upward("corpus.read", source, layers())
    assert not upward("corpus.read", "from nmt_ablation.errors import UserError", layers())


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_are_imported_where_they_belong(library: str) -> None:
    found = [
        f"nmt_ablation.{name}, line {line}"
        for name, source in sources()
        for line, imported in imports(source)
        if imported.split(".")[0] == library
        if not any(f"{name}.".startswith(f"{room}.") for room in HEAVY[library])
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_command_line_loads_no_heavy_library() -> None:
    code = "import sys, nmt_ablation.cli; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split()
    assert "nmt_ablation.cli" in loaded
    assert not set(HEAVY) & set(loaded)
