"""The script that lays Tatoeba out, on made-up clones of the repositories that it reads."""

import subprocess
import sys
import zipfile
from pathlib import Path

from nmt_ablation.experiment.file import load
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.workspace import Workspace

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "recipes" / "tatoeba.py"


def _clones(folder: Path) -> list[Path]:
    """Write clones with a few sentences, and return them in the script's order."""
    german, spanish, testsets = (folder / name for name in ("german", "spanish", "testsets"))
    for clone, archive, member, words in (
        (german, "deu-eng.zip", "deu.txt", "Satz"),
        (spanish, "spa-eng.zip", "spa-eng/spa.txt", "frase"),
    ):
        clone.mkdir()
        lines = [f"Sentence  number {at}.\t{words} Nummer {at}.\tby\n" for at in range(40)]
        with zipfile.ZipFile(clone / archive, "w") as packed:
            packed.writestr(member, "".join([*lines, lines[0]]))
    sets = testsets / "datasets" / "helsinki_nlp" / "tatoeba" / "testsets"
    for pair, name, code, text in (
        ("deu-eng", "v2020-07-28", "deu", "Ein Test.\n"),
        ("deu-eng", "v2020-07-28", "eng", "A test.\n"),
        ("deu-eng", "v2021-08-07", "deu", "Nicht einsprachig.\n"),
        ("deu-eng", "v2021-08-07", "eng", "Not monolingual.\n"),
        ("afr-deu", "v2021-08-07", "deu", "Einer Sprache.\nNoch einer.\n"),
        ("ara-deu", "v2021-08-07", "deu", "Noch einer.\n"),
        ("afr-eng", "v2021-08-07", "eng", "Of one language.\n"),
    ):
        (sets / pair).mkdir(parents=True, exist_ok=True)
        (sets / pair / f"tatoeba-test-{name}.{code}").write_text(text)
    return [german, spanish, testsets]


def _run(*arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)


def test_the_recipe_reads_what_the_script_lays_out(tmp_path: Path) -> None:
    result = _run(*_clones(tmp_path), tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "de-en.de: 40 lines, which aren't the text of the results" in result.stdout
    recipe = tmp_path / "tatoeba.yaml"
    text = (ROOT / "recipes" / "tatoeba.yaml").read_text()
    recipe.write_text(text.replace("valid: 1000", "valid: 10"))
    places = Places(mirror=str(tmp_path / "out" / "mirror"), data=tmp_path / "out" / "data")
    pipeline, workspace = Pipeline(load(recipe), places), Workspace(tmp_path / "workspace")
    workspace.ensure(pipeline.pool())
    record = workspace.record(pipeline.hold_out())
    assert (record["valid"].pairs, record["test"].pairs) == (10, 1)
    assert workspace.record(pipeline.pool()).pairs == 30
    workspace.ensure(pipeline.text("source").stage)
    assert workspace.file(pipeline.text("source")).read_text() == "Einer Sprache.\nNoch einer.\n"
    (corpus,) = pipeline.experiment.corpora.further["es-en"].parallel
    stage = pipeline.clean(corpus, ("es", "en"))
    workspace.ensure(stage)
    assert workspace.record(stage).kept == 40


def test_another_folder_is_no_clone(tmp_path: Path) -> None:
    german, spanish, testsets = _clones(tmp_path)
    result = _run(german, german, testsets, tmp_path / "out")
    assert result.returncode == 1 and "spa-eng.zip: there is no such file" in result.stderr
    result = _run(german, spanish, spanish, tmp_path / "out")
    assert result.returncode == 1 and "no such file; are these clones" in result.stderr
    assert "Traceback" not in result.stderr
