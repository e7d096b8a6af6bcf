"""The report says what the numbers allow, and refuses to compare what differs."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.report import figure, table
from nmt_ablation.report.results import (
    CSV_COLUMNS,
    PAIRING,
    SIGNATURES,
    Row,
    as_csv,
    as_jsonl,
    collect,
    gate,
)
from nmt_ablation.report.summary import COLUMNS, agreement
from nmt_ablation.report.verdict import verdict
from tests.conftest import NewRun, Run


def _row(pairs: int, arm: str, bleu: float, **other: Any) -> dict[str, Any]:
    row = {
        **{"size": pairs, "pairs": pairs, "arm": arm, "seed": 1, "bleu": bleu, "chrf": 2 * bleu},
        **{"gain_bleu": 0.0, "gain_chrf": 0.0, "p_bleu": None, "p_chrf": None},
        **{"ended_by": "patience", "updates": 100, "test_sentences": 1000},
        **{"bleu_signature": "b", "chrf_signature": "c", "device": "cpu", "torch": "2"},
        "pairing": {"data": "d", "initial_weights": "w", "batches": {"1": "x", "50": "y"}},
    }
    return row | other


ROWS = [
    _row(100, "random", 5.0),
    _row(100, "tuned", 9.0, gain_bleu=4.0, gain_chrf=8.0, p_bleu=0.001),
    _row(1000, "random", 20.0),
    _row(1000, "tuned", 20.1, gain_bleu=0.1, gain_chrf=0.2, p_bleu=0.4),
    _row(9000, "random", 30.0, ended_by="budget"),
    _row(9000, "tuned", 29.0, gain_bleu=-1.0, gain_chrf=-2.0, p_bleu=0.01),
]


def _mean(pairs: int, arm: str, gain: float | None, p: float = 0.5, seeds: int = 1) -> Row:
    """A mean over seeds whose intervals are 1 wide on either side."""
    row: Row = {"size": pairs, "pairs": pairs, "arm": arm, "seeds": seeds}
    for metric in ("bleu", "chrf"):
        for key, value in ((metric, 10.0), (f"gain_{metric}", gain)):
            row[key] = value
            row[f"{key}_low"] = None if value is None else value - 1
            row[f"{key}_high"] = None if value is None else value + 1
        row[f"gain_{metric}_p"] = None if gain is None else p
    return row


MEANS = [
    _mean(100, "random", None),
    _mean(100, "tuned", 4.0, 0.001),
    _mean(1000, "random", None),
    _mean(1000, "tuned", 0.1, 0.4),
    _mean(9000, "random", None),
    _mean(9000, "tuned", -2.0, 0.01),
]


def test_the_verdict_names_gains_losses_and_doubts() -> None:
    assert verdict(MEANS, ROWS, "random") == (
        "Against random, tuned gains 4.0 BLEU (3.0 to 5.0) at 100 pairs, loses 2.0 BLEU (1.0 to "
        "3.0) at 9,000 pairs and can't be told from it at 1,000 (-0.9 to 1.1) pairs (95% intervals "
        "over 1,000 test sentences; one seed, so other seeds may differ; a doubt is p ≥ 0.05 after "
        "correction for 3 comparisons; the budget ended 1 of 6 trainings before patience did, and "
        "gains shrink as training goes on)."
    )


def test_arms_of_which_nothing_is_sure_are_named_together() -> None:
    means = [_mean(100, arm, 0.2, 0.4) for arm in ("tuned", "frozen", "other")]
    said = verdict([_mean(100, "random", None), *means], ROWS, "random")
    assert said.startswith(
        "Against random, tuned, frozen and other can't be told from it at 100 pairs ("
    )


def test_with_several_seeds_the_verdict_speaks_of_seeds() -> None:
    means = [_mean(100, "random", None, seeds=3), _mean(100, "tuned", 4.0, 0.001, seeds=3)]
    said = verdict(means, ROWS, "random")
    assert "(95% intervals over 3 seeds and 1,000 test sentences" in said
    assert "one seed" not in said and "one seed" not in table.summary_as_markdown(means)
    assert "one seed" in table.summary_as_markdown(MEANS)


def test_without_a_comparison_the_verdict_says_so() -> None:
    said = verdict(MEANS[:1], ROWS[:1], "random")
    assert said == "No arm can be compared with the baseline yet."


def test_what_a_difference_means_is_said_by_kocmi() -> None:
    assert agreement("bleu", 1.0) == agreement("bleu", -1.0) == pytest.approx(0.64, abs=0.01)
    assert agreement("chrf", 1.63) == pytest.approx(0.8)
    line = table.summary_as_markdown(MEANS).splitlines()[3]
    assert line == (
        "| 100 | tuned | 1 | 10.0 (9.0 to 11.0) | +4.0 (+3.0 to +5.0) | 0.001 | >85% | "
        "+4.0 (+3.0 to +5.0) | 0.001 |"
    )


DIFFERENCES = [
    ("the training data", {"pairing": ROWS[0]["pairing"] | {"data": "e"}}),
    ("the weights before training", {"pairing": ROWS[0]["pairing"] | {"initial_weights": "v"}}),
    ("the order of batches", {"pairing": ROWS[0]["pairing"] | {"batches": {"1": "z"}}}),
    ("the device", {"device": "cuda"}),
    ("the version of torch", {"torch": "3"}),
    ("the BLEU signature", {"bleu_signature": "other"}),
    ("the chrF signature", {"chrf_signature": "other"}),
]


@pytest.mark.parametrize(("what", "change"), DIFFERENCES, ids=[what for what, _ in DIFFERENCES])
def test_cells_that_can_not_be_compared_are_refused(what: str, change: dict[str, Any]) -> None:
    tests = PAIRING | SIGNATURES
    gate(ROWS[0], ROWS[1], tests)
    with pytest.raises(UserError, match=f"{what} of 100-random-s1 and 100-tuned-s1 differ"):
        gate(ROWS[0], ROWS[1] | change, tests)


def test_arms_that_end_at_different_updates_are_compared_as_far_as_both_went() -> None:
    longer = {"1": "x", "50": "y", "100": "z"}
    gate(ROWS[0], ROWS[1] | {"pairing": ROWS[0]["pairing"] | {"batches": longer}}, PAIRING)


def test_trainings_that_the_budget_ended_are_marked_everywhere(tmp_path: Path) -> None:
    assert "| 100 ↑ |" in table.as_markdown(ROWS)
    assert table.NOTES["budget"] in table.as_markdown(ROWS)
    assert table.NOTES["budget"] not in table.as_markdown(ROWS[:4])
    for rows, marked in ((ROWS, True), (ROWS[:4], False)):
        figure.draw(MEANS, rows, "random", "title", tmp_path / "f.png", tmp_path / "f.svg")
        assert ("ended by its budget" in (tmp_path / "f.svg").read_text()) == marked
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_drawn_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "other"):
        figure.draw(MEANS, ROWS, "random", "t", tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    for kind in ("png", "svg"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"other.{kind}").read_bytes()


def test_csv_and_jsonl_hold_a_row_a_cell() -> None:
    read = list(csv.DictReader(io.StringIO(as_csv(ROWS, CSV_COLUMNS))))
    assert list(read[0]) == CSV_COLUMNS
    assert [float(row["bleu"]) for row in read] == [row["bleu"] for row in ROWS]
    assert [json.loads(line) for line in as_jsonl(ROWS).splitlines()] == ROWS


def test_a_finished_run_is_reported_whole(finished: Run, tmp_path: Path) -> None:
    result = finished.call("report", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "Against random" in result.stdout
    for kind in ("html", "png", "svg", "csv", "means.csv", "jsonl", "md"):
        path = tmp_path / f"tiny.{kind}"
        assert path.stat().st_size > 0
        assert str(path) in result.stdout
    means = list(csv.DictReader((tmp_path / "tiny.means.csv").open()))
    assert list(means[0]) == COLUMNS and len(means) == 8
    assert all(float(row["bleu_low"]) <= float(row["bleu"]) for row in means)
    assert "Types / tokens that have a vector" in (tmp_path / "tiny.md").read_text()
    translations = finished.workspace_root / "tiny" / "hypotheses.tsv"
    with translations.open(newline="") as file:
        read = list(csv.DictReader(file, delimiter="\t"))
    assert len(read) == 30
    assert list(read[0])[:3] == ["source", "reference", "50-random-s1"]
    assert all(line["source"] and line["reference"] for line in read)
    rows = collect(finished.pipeline, finished.workspace)
    assert len(rows) == 8
    for row in rows:
        baseline = next(r for r in rows if r["arm"] == "random" and r["size"] == row["size"])
        assert row["gain_bleu"] == row["bleu"] - baseline["bleu"]
        assert (row["p_bleu"] is None) == (row["arm"] == "random")


def test_a_half_finished_run_reports_what_there_is(finished: Run, new_run: NewRun) -> None:
    # The same workspace, seen through an experiment with a size more.
    more = new_run(("[50, 200]", "[50, 200, 100]"))
    half = Run(more.file, finished.workspace_root, finished.mirror)
    result = half.call("report", "--out", str(more.file.parent / "report"))
    assert result.returncode == 0, result.stderr
    assert "4 cells are not finished yet." in result.stdout


def test_an_empty_run_says_so(new_run: NewRun) -> None:
    result = new_run().call("report")
    assert result.returncode == 1
    assert "no cell is finished yet; run it first" in result.stderr


def test_curves_say_where_a_gain_ends_and_what_it_is_worth() -> None:
    (line,) = table.curves(
        [
            *(_mean(100, "random", None), _mean(100, "tuned", 4.0)),
            *(_mean(1000, "random", None), _mean(1000, "tuned", -4.0)),
        ],
        "random",
    )
    assert line.startswith("tuned: its gain ends at 316 pairs (95% interval: 2")
    assert "it is largest at 100 pairs, where random has 6.0 BLEU" in line
    assert table.fits(MEANS) == []
