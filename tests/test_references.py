"""Whom to cite: what an experiment uses, by BibTeX key, with the licences of its corpora."""

import re
import subprocess
from pathlib import Path

import pytest

from nmt_ablation import references
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Experiment
from nmt_ablation.experiment.file import load
from tests.conftest import COMMAND

ROOT = Path(__file__).parents[1]
GL_EN = ROOT / "recipes" / "opus-gl-en.yaml"


@pytest.fixture
def experiment() -> Experiment:
    return load(GL_EN).experiment


@pytest.fixture
def entries() -> dict[str, str]:
    return references.entries()


def test_a_corpus_s_papers_come_first_and_each_key_once(experiment: Experiment) -> None:
    keys = references.keys(experiment)
    assert keys[:2] == ["tiedemann-2012", "qi-2018"]
    assert len(keys) == len(set(keys))
    assert {"tiedemann-2012", "ott-2019", "post-2018", "mikolov-2013"} <= set(keys)


@pytest.mark.parametrize(
    ("kind", "cites"),
    [
        ("words", set()),
        ("subword-nmt", {"sennrich-2016"}),
        ("sentencepiece-bpe", {"sennrich-2016", "kudo-2018"}),
        ("sentencepiece-unigram", {"kudo-2018"}),
    ],
)
def test_only_the_segmentation_in_use_is_cited(
    experiment: Experiment, kind: str, cites: set[str]
) -> None:
    segmentation = experiment.segmentation.model_copy(update={"type": kind})
    other = experiment.model_copy(update={"segmentation": segmentation})
    assert set(references.keys(other)) & {"sennrich-2016", "kudo-2018"} == cites


def test_a_licence_that_nobody_knows_is_a_page_to_look_at(experiment: Experiment) -> None:
    licences = references.licences(experiment)
    assert licences["WikiMatrix"] == "CC BY-SA 4.0"
    assert licences["OpenSubtitles"].startswith("see https://")


def test_bibtex_entries_stand_as_they_are_under_the_licences(
    experiment: Experiment, entries: dict[str, str]
) -> None:
    written = references.as_bibtex(experiment, entries)
    assert written.startswith("% NeuLab-TedTalks: ")
    assert entries["post-2018"] in written
    assert len(re.findall("^@", written, re.MULTILINE)) == len(references.keys(experiment))


def test_text_is_a_line_for_each_reference(experiment: Experiment, entries: dict[str, str]) -> None:
    written = references.as_text(experiment, entries)
    assert (
        "\nPost, Matt. 2018. A Call for Clarity in Reporting BLEU Scores. Proceedings of the Third "
        "Conference on Machine Translation: Research Papers. https://aclanthology.org/W18-6319\n"
    ) in written


def test_a_key_without_an_entry_is_named(experiment: Experiment, entries: dict[str, str]) -> None:
    del entries["qi-2018"]
    with pytest.raises(UserError, match="has no entry qi-2018; add it"):
        references.as_text(experiment, entries)


def test_an_entry_that_stands_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "references.bib"
    path.write_text("@misc{a-2000,\n}\n@misc{b-2000,\n}\n@misc{a-2000,\n}\n")
    with pytest.raises(UserError, match="a-2000 stands there twice"):
        references.entries(path)


def test_the_command_writes_bibtex() -> None:
    result = subprocess.run([COMMAND, "cite", str(GL_EN)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "@inproceedings{tiedemann-2012," in result.stdout
