"""The package: a wheel, installed apart from this checkout, has all that it needs."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import nmt_ablation
from tests.conftest import TINY, call

ROOT = Path(__file__).parents[1]
LOOK = """\
import nmt_ablation, nmt_ablation.opus.card as card, nmt_ablation.references as references
from importlib.metadata import distribution
from nmt_ablation.slurm.scripts import TEMPLATES
from pathlib import Path
here = Path(nmt_ablation.__file__).parent
print(here)
assert (here / "py.typed").is_file()
assert card.card_for("gl-en") is not None and "qi-2018" in references.entries()
assert (TEMPLATES / "array.sbatch").is_file()
names = {it.name for it in distribution("nmt_ablation").files}
assert {"LICENSE", "CITATION.cff"} <= names
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with a wheel of this checkout, and the dependencies that are
    here."""
    folder = tmp_path_factory.mktemp("package")
    sources = folder / "sources"  # what a build leaves behind stays out of the checkout
    command = ["git", "checkout-index", "--all", f"--prefix={sources}/"]
    subprocess.run(command, check=True, cwd=ROOT)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(sources)]
    subprocess.run(wheel, check=True, cwd=folder)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (built,) = folder.glob("*.whl")
    python = str(environment / "bin" / "python")
    install = [*pip, "--python", python, "install", "--no-deps", "--no-index", str(built)]
    subprocess.run(install, check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # A path in such a file comes last, and .pth files there, such as this checkout's, don't count.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


def _call(program: Path, *arguments: str, at: Path) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    result = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=at, env=kept)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_pip_says_what_is_missing_to_compile_fairseq(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    command = [*pip, "--no-deps", "--no-build-isolation", "--target", str(tmp_path), str(ROOT)]
    environment = os.environ | {"CXX": "none"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert result.returncode == 1
    assert "nmt-ablation: there is no none, and fairseq has to be compiled" in result.stderr


def test_cards_templates_licence_and_types_are_in_it(installed: Path, tmp_path: Path) -> None:
    where = _call(installed / "python", "-c", LOOK, at=tmp_path)
    assert where.startswith(str(installed.parent))


def test_a_recipe_is_copied_out_of_it(installed: Path, tmp_path: Path) -> None:
    program = installed / "nmt-ablation"
    assert "\nquickstart " in _call(program, "new", at=tmp_path)
    _call(program, "new", "quickstart", "mine.yaml", at=tmp_path)
    assert "yaml-language-server" not in (tmp_path / "mine.yaml").read_text()
    assert "valid: 12 cells" in _call(program, "validate", "mine.yaml", at=tmp_path)


def test_an_experiment_runs_with_it(installed: Path, tmp_path: Path) -> None:
    program = installed / "nmt-ablation"
    (tmp_path / "tiny.yaml").write_text(TINY)
    _call(program, "synthesise", "mirror", "--pairs", "1500", "--lines", "2000", at=tmp_path)
    cells = ("--cell=50-random-s1", "--cell=50-frozen-s1")
    _call(program, "run", "tiny.yaml", "--mirror", "mirror", *cells, at=tmp_path)
    assert "frozen" in _call(program, "report", "tiny.yaml", "--mirror", "mirror", at=tmp_path)


def test_a_recipe_replaces_no_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kept")
    result = call("new", "quickstart", str(file))
    assert (result.returncode, file.read_text()) == (1, "kept")
    assert "is there already; name a new file" in result.stderr
    assert "there is no recipe 'quick'; there are: deep-captions" in call("new", "quick").stderr


def test_versions_agree_with_each_other_and_with_a_tag() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {nmt_ablation.__version__}\n" in citation
    command = ["git", "tag", "--points-at", "HEAD"]
    tags = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.split()
    assert all(tag == f"v{nmt_ablation.__version__}" for tag in tags if tag.startswith("v"))
