"""Names and texts that would do harm in a page, a table or a spreadsheet do none."""

import csv
import json
import re
from pathlib import Path

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.report import latex, markdown
from nmt_ablation.report.table import Entry, Header, Table
from nmt_ablation.results.files import load
from tests.conftest import Run, call

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
HOSTILE = (
    f"{SCRIPT} [link](javascript:alert(1)) ![](http://x) `|` \\input{{x}} \u202egnp.exe \x1b[31m"
)


@pytest.fixture(scope="module")
def drawn(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a report's files into which somebody has written hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    assert finished.call("report", "--out", str(folder)).returncode == 0
    rest = json.loads((folder / "tiny.json").read_text())
    rest["corpora"][0]["corpus"] = HOSTILE
    rest["warnings"] = [HOSTILE]
    rest["command"] = HOSTILE
    (folder / "tiny.json").write_text(json.dumps(rest))
    lines = (folder / "tiny.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"experiment": "=1+1"} for line in lines]
    (folder / "tiny.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    result = call("draw", str(folder / "tiny.jsonl"), "--out", str(folder / "again"))
    assert result.returncode == 0, result.stderr
    assert "\x1b[31m" not in result.stdout and "\u202e" not in result.stdout
    return folder / "again"


@pytest.mark.parametrize(("key", "value"), [("pair", "=cmd|' /C calc'!A0"), ("name", "../../x")])
def test_names_that_become_files_or_titles_are_refused(
    drawn: Path, tmp_path: Path, key: str, value: str
) -> None:
    for path in drawn.parent.glob("tiny.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rest = json.loads((tmp_path / "tiny.json").read_text())
    (tmp_path / "tiny.json").write_text(json.dumps(rest | {key: value}))
    with pytest.raises(UserError, match=f"is not what nmt-ablation report writes: {key}"):
        load(tmp_path / "tiny.jsonl")


def test_no_output_has_a_script_or_a_hidden_character(drawn: Path) -> None:
    for path in drawn.iterdir():
        if path.suffix in (".html", ".md", ".tex", ".csv", ".svg"):
            text = path.read_text(encoding="utf-8")
            assert "<img src=x" not in text and "<script>alert" not in text, path
            assert "\u202e" not in text and "\x1b" not in text, path


def test_markdown_has_no_link_of_theirs(drawn: Path) -> None:
    (page,) = drawn.glob("*.md")
    assert not re.search(r"(?<!\\)\[[^\]\n]*\]\((javascript|http://x)", page.read_text())


def test_a_spreadsheet_computes_nothing(drawn: Path) -> None:
    for path in drawn.glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.reader(file):
                for field in row:
                    try:
                        float(field)
                    except ValueError:
                        assert not field.startswith(tuple("=+-@")), (path, field)


def test_tables_escape_what_their_language_means() -> None:
    table = Table("Names", [Header("name", left=True)], [[Entry(HOSTILE)]], [HOSTILE])
    assert r"\input" not in latex.render(table).split("toprule")[1]
    assert "<script" not in markdown.render(table)
