"""A first experiment file: complete, valid, and never written over another."""

import subprocess
from pathlib import Path

import pytest

from nmt_ablation.experiment.file import load
from tests.conftest import COMMAND, call
from tests.sentences import ENGLISH, GERMAN, many

OPUS = ("--pair", "gl-en", "--corpus", "TED2020/v1", "--corpus", "QED/v2.0a", "--sizes", "1k,4k")


def asked(*arguments: str, answers: str) -> str:
    """The command in a terminal, where somebody answers."""
    line = " ".join([str(COMMAND), *arguments])
    result = subprocess.run(
        ["script", "--quiet", "--return", "--command", line, "/dev/null"],
        input=answers,
        capture_output=True,
        text=True,
    )
    return result.stdout


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, of in (("my.de", GERMAN), ("my.en", ENGLISH)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in many(of, 200)))
    return tmp_path


@pytest.mark.parametrize("machine", ["cpu", "gpu"])
def test_what_options_say_becomes_a_valid_file(tmp_path: Path, machine: str) -> None:
    path = tmp_path / "Galician 1.yaml"
    result = call("init", str(path), *OPUS, "--machine", machine)
    assert result.returncode == 0, result.stderr
    experiment = load(path).experiment
    assert experiment.name == "galician-1" and experiment.pair == "gl-en"
    assert [str(it) for it in experiment.corpora.parallel] == ["TED2020/v1", "QED/v2.0a"]
    assert experiment.sizes == [1000, 4000]
    assert (experiment.training.precision == "bfloat16") == (machine == "gpu")
    assert path.read_text().count("#") > 15


def test_its_data_is_valid_too(files: Path) -> None:
    path = files / "mine.yaml"
    own = "--pair", "de-en", "--source", "my.de", "--target", "my.en", "--machine", "cpu"
    assert call("init", str(path), *own).returncode == 0
    assert load(path).experiment.sizes == [100, 400]
    checked = call("validate", str(path), "--workspace", str(files / "workspace"), "--data")
    assert checked.returncode == 0, checked.stderr
    warned = [line for line in checked.stdout.splitlines() if line.startswith("warning")]
    assert all("segmentation.size" in line for line in warned)  # as few sentences make the text


def test_in_a_terminal_it_asks(files: Path) -> None:
    path = files / "mine.yaml"
    said = asked("init", str(path), answers="de-en\nmy.de\nmy.en\n200, 500\ncpu\n")
    assert "Numbers of pairs to train on [100, 400]" in said
    experiment = load(path).experiment
    assert experiment.sizes == [200, 500] and str(experiment.corpora.parallel[0]) == "my.de my.en"


def test_without_one_it_says_what_is_missing(tmp_path: Path) -> None:
    result = call("init", str(tmp_path / "mine.yaml"), "--pair", "de-en")
    assert result.returncode == 1
    says = "no terminal to ask on; give --source and --target, or --corpus, --machine"
    assert says in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--pair", "deutsch", "--corpus", "A/v1"), "'deutsch' is no pair"),
        (("--pair", "de-en", "--corpus", "TED2020"), "'TED2020' is no corpus"),
        (("--pair", "de-en", "--corpus", "A/v1", "--sizes", "many"), "'many' is no size"),
        (("--pair", "de-en", "--source", "nowhere.de", "--target", "x"), "no such file"),
        (("--pair", "de-en", "--source", "my.de"), "both --source and --target"),
    ],
)
def test_nothing_invalid_is_written(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    result = call("init", str(tmp_path / "mine.yaml"), *options, "--machine", "cpu")
    assert result.returncode == 1 and says in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    result = call("init", str(path), *OPUS, "--machine", "cpu")
    assert result.returncode == 1 and "is there already" in result.stderr
    assert path.read_text() == "precious"
