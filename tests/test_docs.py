"""The documentation: the site builds, its pages of keys are current, its commands exist."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt_ablation.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
TEXTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *DOCS.glob("*.md"),
        *DOCS.glob("results/*/README.md"),
    ]
)
FILE = r"\b((?:docs|recipes|corpora|slurm)/[\w./-]+\.(?:md|yaml|sh|py|json))"
RECIPES = sorted([*(ROOT / "recipes").glob("*.yaml"), *(ROOT / "recipes").glob("*.sh")])


def test_the_site_builds_and_no_link_in_it_is_broken(tmp_path: Path) -> None:
    command = f"{sys.executable} -m sphinx -W --keep-going -q {DOCS} {tmp_path / 'site'}".split()
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    built = (tmp_path / "site" / "reference" / "command-line.html").read_text()
    for name in main.commands:
        assert f"nmt-ablation {name}" in built
    python = (tmp_path / "site" / "reference" / "python.html").read_text()
    assert "nmt_ablation.api.Experiment.verdict" in python


def test_the_pages_of_keys_are_those_of_the_models(tmp_path: Path) -> None:
    import keys  # beside the pages

    keys.write(tmp_path)
    for name in keys.FILES:
        there = DOCS / "reference" / f"{name}-keys.md"
        assert there.read_text() == (tmp_path / there.name).read_text(), (
            f"{there} is not current: python -m sphinx docs build/docs writes it"
        )


def _commands(text: str) -> Iterator[list[str]]:
    """The commands in blocks of code."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.match(r"\s*\$? ?(nmt-ablation .*)", line):
                yield shlex.split(found[1].partition("<")[0], comments=True)


def _check(command: list[str]) -> None:
    """Refuse a command that isn't there, or an option that it hasn't."""
    _, name, *arguments = command
    assert name in main.commands, name
    options = [
        option for it in main.commands[name].params for option in it.opts + it.secondary_opts
    ]
    for argument in arguments:
        if argument.startswith("-"):
            assert argument.partition("=")[0] in [*options, "--help"], f"{name} {argument}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_it_have_the_options_that_they_are_shown_with(path: Path) -> None:
    for command in _commands(path.read_text()):
        _check(command)


@pytest.mark.parametrize("name", main.commands)
def test_examples_of_help_have_the_options_that_they_are_shown_with(name: str) -> None:
    text = main.commands[name].help or ""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("nmt-ablation ")]
    assert lines, f"{name} has no example"
    for line in lines:
        _check(shlex.split(line.partition("<")[0].partition(">")[0], comments=True))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_comments_of_recipes_name_commands_and_files_that_are_there(path: Path) -> None:
    comments = [line for line in path.read_text().splitlines() if line.lstrip().startswith("#")]
    for line in comments:
        if found := re.search(r"#\s+(?:python -m )?(nmt-ablation .*)", line):
            _check(shlex.split(re.split(r"\s{2,}|[;,)]", found[1])[0], comments=True))
        for file in re.findall(FILE, line):
            assert "NAME" in file or (ROOT / file).exists(), file


def test_commands_are_found_in_blocks_of_code() -> None:
    text = "```\n$ nmt-ablation run a.yaml --cell x  # two\n```\nnmt-ablation no"
    assert list(_commands(text)) == [["nmt-ablation", "run", "a.yaml", "--cell", "x"]]
    assert sum(len(list(_commands(path.read_text()))) for path in TEXTS) > 20
