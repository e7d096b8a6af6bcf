"""Real German and English, where they are at hand."""

import gzip
import os
import shutil
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from nmt_ablation.corpus.text import normal_form, stream_lines
from nmt_ablation.experiment.file import load
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.values import SIDES, Size
from nmt_ablation.workspace import Workspace

ROOT = Path(__file__).parents[1]
BESIDE = ROOT.parent / "shared"


def _place(variable: str, beside: str) -> Path | None:
    """A folder that the environment names, or that stands beside the checkout."""
    path = Path(os.environ.get(variable, BESIDE / beside))
    return path if path.is_dir() else None


MIRROR = _place("NMT_ABLATION_MIRROR", "opus-mirror")
DATA = _place("NMT_ABLATION_DATA", "data/multi30k")

pytestmark = pytest.mark.skipif(
    MIRROR is None or DATA is None,
    reason="no Multi30k at hand: set NMT_ABLATION_MIRROR and NMT_ABLATION_DATA",
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    assert DATA is not None
    # A lock is written beside the experiment, and the checkout's own is not for tests to write.
    recipe = ROOT / "recipes" / "study-strong.yaml"
    file = load(Path(shutil.copy(recipe, tmp_path_factory.mktemp("recipe"))))
    return Pipeline(file, Places(mirror=str(MIRROR), data=DATA))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


def test_the_pool_is_clean_and_without_leaks(pipeline: Pipeline, workspace: Workspace) -> None:
    folder = workspace.ensure(pipeline.hold_out())
    record = workspace.record(pipeline.hold_out())
    assert (record["valid"].pairs, record["test"].pairs) == (1014, 1000)
    every = workspace.ensure(pipeline.sample("all", 4))
    (corpus,) = pipeline.experiment.corpora.parallel
    cleaned = workspace.record(pipeline.clean(corpus))
    assert cleaned.read == 29_000
    pool = workspace.record(pipeline.pool())
    pooled = pool.corpora["Multi30k/v1"]
    assert pooled.pairs + pooled.duplicates + pooled.dropped_as_leaks == cleaned.kept
    assert 28_000 < pool.pairs < 29_000
    for language in ("de", "en"):
        lines = {
            path.stem: {normal_form(line) for line in stream_lines(path)}
            for path in (*folder.glob(f"*.{language}"), every / f"train.{language}")
        }
        assert not lines["train"] & (lines["valid"] | lines["test"])


def test_references_are_raw(pipeline: Pipeline, workspace: Workspace) -> None:
    assert DATA is not None
    folder = workspace.ensure(pipeline.hold_out())
    assert (folder / "test.en").read_bytes() == (DATA / "test.en").read_bytes()


def test_vectors_and_segmentation_never_see_dev_or_test_or_a_side_of_a_pair(
    pipeline: Pipeline, workspace: Workspace
) -> None:
    texts = [workspace.ensure(pipeline.hold_out()) / name for name in ("valid", "test")]
    texts.append(workspace.ensure(pipeline.sample("all", 4)) / "train")
    for side in SIDES:
        stage = pipeline.monolingual(side)
        language = pipeline.experiment.language(side)
        seen = {normal_form(line) for line in stream_lines(workspace.ensure(stage) / "text")}
        record = workspace.record(stage)
        assert record.read == 145_000
        assert len(seen) > 100_000
        assert record.in_parallel_corpora > (28_000 if side == "target" else 100)
        for text in texts:
            assert seen.isdisjoint(map(normal_form, stream_lines(Path(f"{text}.{language}"))))


def test_samples_are_nested(pipeline: Pipeline, workspace: Workspace) -> None:
    sizes: tuple[Size, ...] = (500, 1000, 4000, "all")
    samples = [
        list(stream_lines(workspace.ensure(pipeline.sample(size, 4)) / "train.de"))
        for size in sizes
    ]
    for smaller, larger in pairwise(samples):
        assert len(smaller) < len(larger)
        assert larger[: len(smaller)] == smaller


def test_a_clone_of_its_repository_is_laid_out_as_the_mirror_is(
    pipeline: Pipeline, workspace: Workspace, tmp_path: Path
) -> None:
    assert MIRROR is not None and DATA is not None
    raw = {task: tmp_path / "clone" / "data" / f"task{task}" / "raw" for task in (1, 2)}
    for folder in raw.values():
        folder.mkdir(parents=True)
    with zipfile.ZipFile(MIRROR / "OPUS-Multi30k/v1/moses/de-en.txt.zip") as archive:
        for language in ("de", "en"):
            text = archive.read(f"Multi30k.de-en.{language}").replace(b" ", b"  ", 1)
            (raw[1] / f"train.{language}.gz").write_bytes(gzip.compress(text))
    for language in ("de", "en"):
        others = ("test_2017_flickr", "test_2017_mscoco", "test_2018_flickr")
        same = (("val", "val"), *((name, name) for name in others))
        for here, there in (*same, ("test_2016_flickr", "test")):
            text = (DATA / f"{there}.{language}").read_bytes()
            (raw[1] / f"{here}.{language}.gz").write_bytes(gzip.compress(text))
        mono = MIRROR / f"OPUS-Multi30kDescriptions/v1/mono/{language}.txt.gz"
        lines = gzip.decompress(mono.read_bytes()).splitlines(keepends=True)
        for number in range(5):
            part = b"".join(lines[number * 29_000 : (number + 1) * 29_000])
            (raw[2] / f"train.{number + 1}.{language}.gz").write_bytes(gzip.compress(part))
    script = [sys.executable, str(ROOT / "recipes/multi30k.py"), str(tmp_path / "clone")]
    script.append(str(tmp_path))
    result = subprocess.run(script, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    for name in ("val.de", "val.en", "test.de", "test.en", *(f"{it}.en" for it in others)):
        assert (tmp_path / "data" / name).read_bytes() == (DATA / name).read_bytes()
    file = load(Path(shutil.copy(pipeline.file.path, tmp_path)))  # with no lock beside it
    other = Pipeline(file, Places(str(tmp_path / "mirror"), tmp_path / "data"))
    again = Workspace(tmp_path / "workspace")
    for made in (Pipeline.pool, Pipeline.hold_out, lambda it: it.monolingual("target")):
        workspace.ensure(made(pipeline))
        again.ensure(made(other))
        assert workspace.record(made(pipeline)) == again.record(made(other))
    (raw[1] / "val.de.gz").write_bytes(gzip.compress(b"Ein Haus.\n"))
    result = subprocess.run(script, capture_output=True, text=True)
    assert result.stdout.startswith("val.de: 1 lines, which aren't the text of the results")
    (raw[1] / "val.de.gz").unlink()
    result = subprocess.run(script, capture_output=True, text=True)
    assert result.returncode == 1
    assert "val.de.gz: there is no such file; is" in result.stderr
