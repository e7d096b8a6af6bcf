"""Packages of one's own: what they add is used like what is built in, and nothing else is run."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.pretrained import vec
from tests.conftest import NewRun, Run
from tests.slow import REGISTERED

MODULE = '''
"""Vectors that say how a token ends, and a learning rate that is there at times."""

from typing import Literal

import numpy as np

from nmt_ablation.pretrained import vec
from nmt_ablation.pretrained.kind import Built, PretrainedVectors
from nmt_ablation.transfer.tuning import Tuning
from nmt_ablation.values import SIDES, Positive


class Endings(PretrainedVectors):
    kind: Literal["endings"]
    letters: Positive = 1

    def build(self, given):
        record = {}
        for side in SIDES:
            tokens = given.tokens[side]
            seeds = [sum(map(ord, token[-self.letters :])) for token in tokens]
            rows = [np.random.default_rng(s).normal(size=given.setting.dimension) for s in seeds]
            vec.write(given.vectors(side), tokens, np.array(rows, np.float32))
            record[side] = Built(len(tokens), given.setting.dimension)
        return record


class Every(Tuning):
    example = "every: 2"
    value: Positive

    def multiplier(self, place, update):
        return float(update % self.value == 0)
'''
ENTRIES = """
[nmt_ablation.pretrained]
endings = endings:Endings
word2vec = endings:Endings

[nmt_ablation.tunings]
every = endings:Every
"""
THING = ("  word2vec: {kind: word2vec, epochs: 2}", "  word2vec: {kind: endings, letters: 2}")
TUNING = ("tuning: {embeddings: frozen}", "tuning: {embeddings: {every: 3}, encoder: {rate: 0.5}}")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder that packages are installed in."""
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


def install(
    packages: Path, *, module: str = MODULE, name: str = "endings", entries: str = ENTRIES
) -> None:
    """Install a package as pip would leave it."""
    (packages / f"{name}.py").write_text(module)
    about = packages / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entries)


def call(packages: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Call the command where these packages are installed."""
    path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


def validate(packages: Path, run: Run) -> subprocess.CompletedProcess[str]:
    return call(packages, run.arguments("validate")[:3])


def manifest(run: Run, stage: str) -> tuple[Path, dict[str, object]]:
    """Return the folder of the only artifact of a stage, and what is on record of it."""
    (path,) = (run.workspace_root / "store" / stage).glob("*/artifact.json")
    return path.parent, json.loads(path.read_text())


@pytest.mark.slow(*REGISTERED)
def test_what_a_package_adds_is_used_from_validation_to_scores(
    packages: Path, new_run: NewRun
) -> None:
    run = new_run(THING, TUNING)
    refused = validate(packages, run)
    assert refused.returncode == 1
    assert "'endings' is no kind of pretrained thing; allowed: word2vec," in refused.stderr
    install(packages)
    valid = validate(packages, run)
    assert valid.returncode == 0, valid.stderr
    result = call(packages, run.arguments("run", "--cell", "200-frozen-s1"))
    assert result.returncode == 0, result.stderr
    folder, vectors = manifest(run, "vectors")
    made_with = {"kind": "endings", "letters": 2, "unit": "token", "dimension": 16}
    parameters = vectors["parameters"]
    assert isinstance(parameters, dict) and parameters["made_with"] == made_with
    tokens, values = vec.load(folder / "source.vec")
    alike = [values[at] for at, token in enumerate(tokens) if token.endswith("ta")]
    assert len(alike) > 1 and all(np.array_equal(alike[0], other) for other in alike)
    _, train = manifest(run, "train")
    parameters = train["parameters"]
    assert isinstance(parameters, dict)
    assert parameters["tuning"]["target-embeddings"] == [["every", 3]]
    assert parameters["tuning"]["source-embeddings"] == [["every", 3], ["rate", 0.5]]
    manifest(run, "score")


@pytest.mark.slow(*REGISTERED)
def test_the_package_of_the_documentation_is_used_from_validation_to_scores(
    packages: Path, new_run: NewRun
) -> None:
    """A kind, a way of tuning and a metric, as docs/plugins.md shows them."""
    page = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text()
    fences = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    module = "\n\n".join(code for language, code in fences if language == "python")
    (points,) = (code for language, code in fences if language == "ini")
    entries = re.sub(r"^(nmt_ablation\.\w+) =$", r"[\1]", points, flags=re.MULTILINE)
    install(packages, module=module, name="glosses", entries=entries.partition("\n[")[2])
    run = new_run(
        ("  word2vec: {kind: word2vec, epochs: 2}", "  word2vec: {kind: lengths, longest: 8}"),
        ("tuning: {embeddings: frozen}", "tuning: {embeddings: {pulse: 2}}"),
        ("decoding:", "scoring: {metrics: {bleu: {}, exact: {}}, primary: bleu}\ndecoding:"),
    )
    for command in (
        run.arguments("run", "--cell", "200-random-s1", "--cell", "200-frozen-s1"),
        run.arguments("report"),
    ):
        result = call(packages, command)
        assert result.returncode == 0, result.stderr
    assert "exact" in (run.workspace_root / "tiny/report/tiny.md").read_text()


def test_a_package_takes_no_built_in_name(packages: Path, new_run: NewRun) -> None:
    install(packages, module="raise SystemExit('imported')")
    result = validate(packages, new_run())
    assert result.returncode == 0, result.stderr


def test_a_value_of_a_package_is_checked_with_its_line(packages: Path, new_run: NewRun) -> None:
    install(packages)
    run = new_run(
        (THING[0], "  word2vec:\n    kind: endings\n    letters: -1"),
        ("tuning: {embeddings: frozen}", "tuning: {embeddings:\n      {every: 0}}"),
    )
    said = validate(packages, run).stderr
    assert f"{run.file}:13: pretrained.word2vec.letters: Input should be greater than 0" in said
    every = "arms.frozen.tuning.embeddings.every: Input should be greater than 0"
    assert f"{run.file}:17: {every}" in said


def test_a_package_that_can_not_be_imported_is_named(packages: Path, new_run: NewRun) -> None:
    install(packages, module="import a_module_that_is_nowhere")
    result = validate(packages, new_run(THING))
    assert result.returncode == 1
    assert "kind of pretrained thing 'endings' of the package endings can't be imp" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (THING[0], "  word2vec: {kind: os.system}"),
        (THING[0], "  word2vec: {kind: 'pathlib:Path'}"),
        (THING[0], "  word2vec: {kind: endings}"),
        (THING[0], "  word2vec: {kind: 'endings:Endings'}"),
        (THING[0], "  word2vec: {kind: endings.Endings}"),
        ("{embeddings: frozen}", "{embeddings: {'endings:Every': 2}}"),
        ("{embeddings: frozen}", "{embeddings: {endings.Every: 2}}"),
        ("{embeddings: frozen}", "{embeddings: endings}"),
    ],
)
def test_no_module_is_imported_because_a_file_names_it(
    packages: Path, new_run: NewRun, old: str, new: str
) -> None:
    ran = packages / "ran"
    (packages / "endings.py").write_text(f"open({str(ran)!r}, 'w').close()\n{MODULE}")
    result = validate(packages, new_run((old, new)))
    assert result.returncode == 1
    assert " is no kind of" in result.stderr or " is no way of" in result.stderr
    assert not ran.exists()
