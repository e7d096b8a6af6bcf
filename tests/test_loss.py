"""A good report is not lost to another one, nor to a failure or a kill while it is replaced."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.report.write import (
    ANALYSIS_FIGURES,
    COST_FIGURES,
    KINDS,
    OF_SEVERAL,
    VERDICT_FIGURES,
    write,
)
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import CellRow, MeanRow
from tests.conftest import TINY, Run
from tests.rows import CELLS, MEANS, results

ABSENT = {
    f"tiny.{kind}"
    for kind in ("npz", "hypotheses.tsv", *ANALYSIS_FIGURES, *COST_FIGURES, *OF_SEVERAL)
}
"""Files of experiments with resamples and translations, with networks, or of several."""
OF_GAINS = {f"tiny.{kind}" for kind in VERDICT_FIGURES}
NAMES = {f"tiny.{kind}" for kind in KINDS} - ABSENT


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An experiment of one arm on text of one's own, run and reported."""
    folder = tmp_path_factory.mktemp("own")
    for language in ("xx", "en"):
        lines = (
            f"{language} word{n} goes to place{n % 17} with thing{n % 29}\n" for n in range(300)
        )
        (folder / f"mine.{language}").write_text("".join(lines))
    text = (
        TINY.partition("pretrained:")[0] + "arms:\n  random: {}\n" + TINY[TINY.index("baseline") :]
    )
    for old, new in (
        (
            "  parallel: [Synthetic/v1]\n  monolingual: [Synthetic/v1]\n",
            "  parallel: [{source: mine.xx, target: mine.en}]\n",
        ),
        ("sizes: [50, 200]", "sizes: [50]"),
        ("size: 300, fit_on: monolingual", "size: 100, fit_on: pool"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "tiny.yaml").write_text(text)
    run = Run(folder / "tiny.yaml", folder / "workspace", folder)
    for command in ("run", "report"):
        result = run.call(command)
        assert result.returncode == 0, result.stderr
    return run


def _refused(run: Run, *says: str) -> None:
    """See that a report is refused, and that the one before is as it was."""
    folder = run.workspace_root / "tiny" / "report"
    before = _content(folder)
    result = run.call("report")
    assert result.returncode == 1
    for said in says:
        assert said in result.stderr.replace("\n", " "), result.stderr
    assert "Traceback" not in result.stderr
    assert _content(folder) == before
    assert before.keys() >= NAMES - OF_GAINS


def test_other_updates_under_the_same_name(own: Run) -> None:
    text = own.file.read_text()
    try:
        own.file.write_text(text.replace("max_updates: 60", "max_updates: 40"))
        _refused(own, "no cell of tiny is finished yet", "nmt-ablation run")
        assert own.call("run").returncode == 0
        _refused(
            own,
            "training.max_updates was 60 and is 40",
            "it has 1 finished cells that the new one lacks (50-random-s1)",
            "--out DIR",
        )
        elsewhere = own.call("report", "--out", str(own.file.parent / "elsewhere"))
        assert elsewhere.returncode == 0, elsewhere.stderr
        assert (own.file.parent / "elsewhere" / "tiny.html").exists()
    finally:
        own.file.write_text(text)
    assert own.call("report").returncode == 0  # the same again may replace itself


def test_an_edited_line_of_a_corpus(own: Run) -> None:
    corpus = own.file.parent / "mine.en"
    text = corpus.read_text()
    try:
        corpus.write_text(text.replace("word7 ", "word seven ", 1))
        _refused(own, "no cell of tiny is finished yet")
    finally:
        corpus.write_text(text)


def test_a_second_file_with_the_same_name(own: Run) -> None:
    other = own.file.with_name("other.yaml")
    other.write_text(own.file.read_text().replace("sizes: [50]", "sizes: [60]"))
    run = Run(other, own.workspace_root, own.mirror)
    _refused(run, "no cell of tiny is finished yet")
    assert run.call("run").returncode == 0
    _refused(run, "sizes: 50 is gone", "it has 1 finished cells that the new one lacks")


def test_without_a_finished_cell_nothing_is_written(own: Run, tmp_path: Path) -> None:
    run = Run(own.file, tmp_path / "workspace", own.mirror)
    result = run.call("report", "--out", str(tmp_path / "out"))
    assert result.returncode == 1
    assert "no cell of tiny is finished yet" in result.stderr
    assert not (tmp_path / "out").exists()


def _report(
    folder: Path, means: Sequence[MeanRow], cells: Sequence[CellRow], name: str = "tiny"
) -> None:
    write([results(means, cells, name)], folder, "tiny", "report")


def test_a_report_that_has_more_may_replace_one_and_files_of_others_stay(tmp_path: Path) -> None:
    _report(tmp_path, MEANS[:4], CELLS[:4])
    (tmp_path / "notes.txt").write_text("mine")
    before = _content(tmp_path)
    _report(tmp_path, MEANS, CELLS)
    after = _content(tmp_path)
    assert after.keys() == before.keys() == NAMES | {"notes.txt"}
    assert after["notes.txt"] == b"mine" and after["tiny.csv"] != before["tiny.csv"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (results(MEANS[:4], CELLS[:4]), "2 finished cells that the new one lacks"),
        (
            results(MEANS, [row.model_copy(update={"digest": "x"}) for row in CELLS]),
            r"6 finished cells that the new one lacks \(100-random-s1, .*, and 1 more\)",
        ),
        (results(MEANS, CELLS, "other"), "it is of another experiment, tiny"),
        (
            results(MEANS, CELLS).model_copy(
                update={"definition": {**results(MEANS, CELLS).definition, "baseline": "tuned"}}
            ),
            "baseline was random and is tuned",
        ),
    ],
    ids=["fewer cells", "other cells", "another experiment", "another definition"],
)
def test_a_report_is_not_replaced_by_less_or_by_something_else(
    tmp_path: Path, other: Results, says: str
) -> None:
    _report(tmp_path, MEANS, CELLS)
    before = _content(tmp_path)
    with pytest.raises(UserError, match=says):
        write([other], tmp_path, "tiny", "draw")
    assert _content(tmp_path) == before


def test_experiments_side_by_side_are_not_replaced_by_one_of_them(tmp_path: Path) -> None:
    second = [row.model_copy(update={"digest": f"other-{row.digest}"}) for row in CELLS]
    both = [results(MEANS, CELLS), results(MEANS, second, "other")]
    write(both, tmp_path, "both", "draw")
    before = _content(tmp_path)
    with pytest.raises(UserError, match="6 finished cells that the new one lacks"):
        write(both[:1], tmp_path, "both", "draw")
    assert _content(tmp_path) == before
    write(both, tmp_path, "both", "draw")


def _at(number: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something happen instead of the replacement of the report's so manieth file."""
    real, done = Path.replace, list[Path]()

    def replace(self: Path, target: Path) -> Path:
        if (
            ".new-" in str(self.parent)
            and not self.name.startswith(".")
            and target.parent != self.parent
        ):
            done.append(self)
            if len(done) == number:
                act()
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("number", [1, 4, 9])
def test_a_failure_between_two_files_leaves_the_older_report_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail() -> None:
        raise OSError("No space left on device")

    _report(tmp_path, MEANS[:4], CELLS[:4])
    before = _content(tmp_path)
    _at(number, fail, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        _report(tmp_path, MEANS, CELLS)
    assert _content(tmp_path) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("number", [1, 4, 9])
def test_after_a_kill_between_two_files_the_next_command_finds_the_older_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _report(tmp_path, MEANS[:4], CELLS[:4])
    before = _content(tmp_path)
    child = os.fork()
    if child == 0:
        _at(number, lambda: os._exit(9), monkeypatch)
        _report(tmp_path, MEANS, CELLS)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    with pytest.raises(UserError, match="2 finished cells that the new one lacks"):
        _report(tmp_path, MEANS[:2], CELLS[:2])
    assert {name: text for name, text in _content(tmp_path).items() if name in before} == before
    _report(tmp_path, MEANS, CELLS)
    assert _content(tmp_path).keys() == NAMES


def test_a_report_that_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    _report(tmp_path, MEANS, CELLS)
    (tmp_path / "tiny.json").write_text("{}")
    with pytest.raises(UserError, match=r"tiny\.json: is not what nmt-ablation report writes"):
        _report(tmp_path, MEANS, CELLS)
    shutil.rmtree(tmp_path)
    _report(tmp_path, MEANS, CELLS)
