"""The report says what the numbers allow, and refuses to compare what differs."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from matplotlib import pyplot as plt

from nmt_ablation.errors import UserError
from nmt_ablation.pipeline import METRICS
from nmt_ablation.report import figure, notebook, pairwise, table
from nmt_ablation.report import verdict as words
from nmt_ablation.report.chart import Chart, Point, Series
from nmt_ablation.report.findings import Findings, join, load, save
from nmt_ablation.report.page import page
from nmt_ablation.report.results import (
    CSV_COLUMNS,
    P_VALUES,
    PAIRING,
    SIGNATURES,
    Row,
    as_csv,
    cell_of,
    collect,
    gate,
)
from nmt_ablation.report.summary import COLUMNS, agreement, summarise, with_corrected
from nmt_ablation.report.verdict import contrasts, curves, fits, verdict
from nmt_ablation.report.write import FIGURES
from tests.conftest import NewRun, Run, call

REPOSITORY = Path(__file__).parents[1]
STUDY = REPOSITORY / "docs" / "results" / "study"


@pytest.fixture(scope="module")
def reported(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole report; not to be written to."""
    folder = tmp_path_factory.mktemp("report")
    assert finished.call("report", "--out", str(folder)).returncode == 0
    return folder


def _row(pairs: int, arm: str, bleu: float, **other: Any) -> dict[str, Any]:
    row = {
        **{"size": pairs, "pairs": pairs, "arm": arm, "seed": 1, "bleu": bleu, "chrf": 2 * bleu},
        **{"gain_bleu": 0.0, "gain_chrf": 0.0, **dict.fromkeys(P_VALUES)},
        **{"ended_by": "patience", "updates": 100, "test_sentences": 1000, "valid": []},
        **{"best_update": 50, "digest": "0", "coverage": None, "training_seconds": 1200.0},
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


def _findings(means: list[Row], cells: list[Row], name: str = "tiny") -> Findings:
    return Findings(
        name=name,
        pair="xx-en",
        baseline="random",
        cells=[{"experiment": name, **row} for row in cells],
        unfinished=[],
        means=means,
        corpora=[],
        examples=[],
        cited=["somebody"],
        versions={},
        command="nmt-ablation report",
    )


def test_missing_cells_are_named_and_of_many_the_first_and_the_last() -> None:
    few = _findings([], ROWS).model_copy(update={"unfinished": ["9-a-s1", "9-b-s1"]})
    assert few.missing == "9-a-s1, 9-b-s1"
    names = [f"{number}-a-s1" for number in range(57)]
    many = few.model_copy(update={"unfinished": names})
    assert many.missing == f"57 of {57 + len(ROWS)} cells, from 0-a-s1 to 56-a-s1"


def test_the_verdict_names_gains_losses_and_doubts() -> None:
    assert verdict(MEANS, ROWS, "random", 3) == (
        "Against random, tuned gains 4.0 BLEU (3.0 to 5.0) at 100 pairs, loses 2.0 BLEU (1.0 to "
        "3.0) at 9,000 pairs and is in doubt with +0.1 (-0.9 to 1.1) at 1,000 pairs (95% intervals "
        "over 1,000 test sentences; one seed, so other seeds may differ; a doubt is p ≥ 0.05 after "
        "correction for 3 comparisons; the budget ended 1 of 6 trainings before patience did, and "
        "gains shrink as training goes on)."
    )


def test_arms_of_which_nothing_is_sure_are_named_together() -> None:
    means = [_mean(100, arm, 0.2, 0.4) for arm in ("tuned", "frozen", "other")]
    said = verdict([_mean(100, "random", None), *means], ROWS, "random", 3)
    assert said.startswith(
        "Against random, tuned, frozen and other can't be told from it at 100 pairs ("
    )


def test_doubts_are_of_the_sizes_that_an_arm_was_trained_at() -> None:
    means = [_mean(n, "random", None) for n in (100, 1000, 9000)]
    means += [_mean(n, "tuned", 0.2, 0.4) for n in (100, 1000, 9000)]
    means.append(_mean(1000, "shuffled", 0.2, 0.4, seeds=3))
    means[0] |= {"seeds": 2}
    said = verdict(means, ROWS, "random", len(means))
    assert "tuned can't be told from it at 100, 1,000 and 9,000 pairs; shuffled can't" in said
    assert "shuffled can't be told from it at 1,000 pairs (95% intervals over 1 to 3 seeds" in said


def test_a_chart_holds_every_point_and_a_single_one_too() -> None:
    alone = Chart("", "", "", [Series("a", 0, [[(250, 3.0)]])])
    assert alone.x_ticks == [250]
    points = [Point(4000, 1.0, "")]
    chart = Chart("", "", "", [Series("a", 0, [[(500, 1.0), (1000, 2.0)]], points=points)], True)
    assert chart.left <= chart.x(500) < chart.x(4000) <= chart.right


def test_with_several_seeds_the_verdict_speaks_of_seeds() -> None:
    means = [_mean(100, "random", None, seeds=3), _mean(100, "tuned", 4.0, 0.001, seeds=3)]
    said = verdict(means, ROWS, "random", len(means))
    assert "(95% intervals over 3 seeds and 1,000 test sentences" in said
    assert "one seed" not in said
    assert "one seed" not in table.summary_as_markdown(_findings(means, ROWS))
    assert "one seed" in table.summary_as_markdown(_findings(MEANS, ROWS))


def test_without_a_comparison_the_verdict_says_so() -> None:
    said = verdict(MEANS[:1], ROWS[:1], "random", 0)
    assert said == "No arm can be compared with the baseline yet."


def test_what_a_difference_means_is_said_by_kocmi() -> None:
    assert agreement(1.0) == agreement(-1.0) == pytest.approx(0.64, abs=0.01)
    lines = table.summary_as_markdown(_findings(MEANS, ROWS)).splitlines()
    assert lines[3] == (
        "| 100 | tuned | 1 | 10.0 (9.0 to 11.0) | +4.0 (+3.0 to +5.0) | 0.001 | >85% | "
        "+4.0 (+3.0 to +5.0) | 0.001 |"
    )
    doubtful = "| 1,000 | tuned | 1 | 10.0 (9.0 to 11.0) | +0.1 (-0.9 to +1.1) | 0.400 | – |"
    assert lines[5].startswith(doubtful)


def test_intervals_of_scores_end_where_scores_do() -> None:
    rows, drawn = [], {}
    for arm, bleu in (("random", 99.0), ("tuned", 0.5)):
        for seed, other in ((1, 0.5), (2, -0.5)):
            rows.append(_row(100, arm, bleu + other, seed=seed))
            drawn[cell_of(rows[-1])] = dict.fromkeys(METRICS, np.full(10, bleu + other))
    random, tuned = summarise(rows, drawn, "random", 1)
    assert (random["bleu_high"], tuned["chrf_low"]) == (100, 0)
    assert 90 < random["bleu_low"] < random["bleu"] == 99
    assert tuned["gain_bleu_low"] < tuned["gain_bleu"] < tuned["gain_bleu_high"]


DIFFERENCES = [
    ("the training data", {"pairing": ROWS[0]["pairing"] | {"data": "e"}}),
    ("the weights before training", {"pairing": ROWS[0]["pairing"] | {"initial_weights": "v"}}),
    ("the order of batches", {"pairing": ROWS[0]["pairing"] | {"batches": {"1": "z"}}}),
    ("the precision", {"precision": "bfloat16"}),
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


def test_no_two_arms_look_the_same() -> None:
    arms = [f"arm {number}" for number in range(30)]
    looks = [figure._style(arms, arm) for arm in arms]
    assert len({(look["color"], look["marker"]) for look in looks}) == 30
    assert len({look["marker"] for look in looks[:10]}) == 10  # grey prints


def test_trainings_that_the_budget_ended_are_marked_everywhere(tmp_path: Path) -> None:
    assert "| 100 ↑ |" in table.as_markdown(ROWS)
    assert table.NOTES["budget"] in table.as_markdown(ROWS)
    assert table.NOTES["budget"] not in table.as_markdown(ROWS[:4])
    for rows, marked in ((ROWS, True), (ROWS[:4], False)):
        figure.draw([_findings(MEANS, rows)], [tmp_path / "f.png", tmp_path / "f.svg"])
        assert ("ended by its budget" in (tmp_path / "f.svg").read_text()) == marked
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_drawn_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "other"):
        paths = [tmp_path / f"{name}.{kind}" for kind in FIGURES]
        figure.draw([_findings(MEANS, ROWS)], paths)
    for kind in FIGURES:
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"other.{kind}").read_bytes()


def test_experiments_stand_side_by_side_and_arms_look_the_same_in_all(tmp_path: Path) -> None:
    # The second has no baseline; its arm must not take the baseline's colour.
    second = _findings(MEANS[1::2], ROWS[1::2], "other")
    counts = []
    for shown in ([_findings(MEANS, ROWS)], [_findings(MEANS, ROWS), second]):
        figure.draw(shown, [tmp_path / "f.svg"])
        text = (tmp_path / "f.svg").read_text()
        counts.append(text.count(figure.COLOURS[1].lower()))
    assert "tiny (xx-en)" in text and "other (xx-en)" in text
    assert counts[1] > 1.5 * counts[0]


def test_experiments_stand_side_by_side_on_one_scale_of_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plt, "close", drawn.append)
    whole, lone = _findings(MEANS, ROWS), _findings(MEANS[2:4], ROWS[2:4], "other")
    figure.draw([whole, lone], [tmp_path / "f.png"])
    figure.draw([lone], [tmp_path / "f.png"])
    monkeypatch.undo()
    both, alone = (
        {axes.get_xlim() for axes in each.axes if axes.get_xscale() == "log"} for each in drawn
    )
    for each in drawn:
        plt.close(each)
    ((low, high),) = both
    assert 50 < low < 100 and 9000 < high < 18000
    ((low, high),) = alone  # no arm at one edge and the next one at the other
    assert low < 500 and high > 2000


@pytest.mark.parametrize(
    ("left_out", "random", "tuned"),
    [
        ([], [3], [3]),
        ([(1000, "tuned")], [3], [1, 1]),
        ([(100, "tuned")], [3], [2]),
        ([(1000, "tuned"), (1000, "random")], [2], [2]),
        ([(9000, "tuned"), (9000, "random")], [2], [2]),
    ],
)
def test_no_line_passes_over_a_size_that_only_others_were_trained_at(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    left_out: list[tuple[int, str]],
    random: list[int],
    tuned: list[int],
) -> None:
    means, cells = (
        [row for row in rows if (row["size"], row["arm"]) not in left_out] for rows in (MEANS, ROWS)
    )
    shown, drawn = _findings(means, cells), list[Any]()
    monkeypatch.setattr(plt, "close", drawn.append)
    figure.draw([shown], [tmp_path / "f.png"])
    monkeypatch.undo()
    scores = page([shown], "draw").partition("<svg")[2].partition("</svg>")[0]
    for arm, points in (("random", random), ("tuned", tuned)):
        colour = figure._style(shown.arms, arm)["color"]
        lines = [line for line in drawn[0].axes[0].lines if line.get_color() == colour]
        assert [len(line.get_xdata()) for line in lines if not line.get_marker()] == points
        group = scores.partition(f'data-arm="{arm}"')[2].partition("</g>")[0]
        polylines = re.findall(r'<polyline .*points="(.*)"', group)
        assert [len(line.split()) for line in polylines] == points
        bands = re.findall(r'<polygon .*points="(.*)"', group)
        assert [len(band.split()) for band in bands] == [2 * number for number in points]
    plt.close(drawn[0])


def test_arms_of_one_size_are_listed_below_the_curves(tmp_path: Path) -> None:
    means = [*MEANS, _mean(1000, "control", -0.5)]
    cells = [*ROWS, _row(1000, "control", 19.5, gain_bleu=-0.5, gain_chrf=-1.0)]
    for shown, names in (
        (_findings(means, cells), {"random": 1, "tuned": 2, "control": 1}),  # legend and list
        (_findings(MEANS, ROWS), {"random": 1, "tuned": 1}),
        (_findings(means[2:4] + means[-1:], ROWS[2:4] + cells[-1:]), {"tuned": 1, "control": 1}),
        (_findings([], [ROWS[0], ROWS[3] | {"gain_bleu": None}]), {"random": 1, "tuned": 1}),
    ):
        figure.draw([shown], [tmp_path / "f.svg"])
        text = (tmp_path / "f.svg").read_text()
        assert {name: text.count(f">{name}<") for name in names} == names
        listed = names.keys() >= {"control", "random"}
        assert ("gain over random at 1,000 pairs" in text) == listed
        html = page([shown], "draw")
        assert (">control, 1,000 pairs</text>" in html) == listed
        if "control" in names:  # in the list alone, or in both charts and no list
            assert html.count('data-arm="control"') == (1 if listed else 2)


def test_a_fit_is_drawn_where_its_form_can_be_told_and_beyond_the_data(tmp_path: Path) -> None:
    sizes = [500, 1000, 2000, 4000, 8000, 16000]
    means = [
        _mean(size, "random", None) | {"bleu": 40 / (1 + (3000 / size) ** 1.2)} for size in sizes
    ]
    cells = [_row(row["pairs"], "random", row["bleu"]) for row in means]
    for shown, drawn in ((means, True), (means[:4], False)):
        figure.draw([_findings(shown, cells)], [tmp_path / "f.svg"])
        assert ("fitted, and beyond the data" in (tmp_path / "f.svg").read_text()) == drawn
        html = page([_findings(shown, cells)], "draw")
        assert ('class="line fit"' in html) == drawn


def test_the_table_for_papers_marks_what_is_sure() -> None:
    means = [row | {"arm": row["arm"].replace("tuned", "a_b")} for row in MEANS]
    cells = [row | {"arm": row["arm"].replace("tuned", "a_b")} for row in ROWS]
    lines = table.as_latex(_findings(means, cells)).splitlines()
    assert r"sentence pairs & 100 & 1,000 & 9,000 \\" in lines
    assert r"random & 10.0 & 10.0 & 10.0$^\dagger$ \\" in lines
    assert r"a\_b & 10.0 ($+4.0$)$^*$ & 10.0 ($+0.1$) & 10.0 ($-2.0$)$^*$ \\" in lines


def test_csv_holds_a_row_a_cell() -> None:
    read = list(csv.DictReader(io.StringIO(as_csv(ROWS, CSV_COLUMNS))))
    assert list(read[0]) == CSV_COLUMNS
    assert [float(row["bleu"]) for row in read] == [row["bleu"] for row in ROWS]


def test_a_finished_run_is_reported_whole(finished: Run, tmp_path: Path) -> None:
    result = finished.call("report", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "Against random" in result.stdout
    for kind in ("html", *FIGURES, "tex", "csv", "means.csv", "jsonl", "json", "md"):
        path = tmp_path / f"tiny.{kind}"
        assert path.stat().st_size > 0
        assert str(path) in result.stdout
    means = list(csv.DictReader((tmp_path / "tiny.means.csv").open()))
    assert list(means[0]) == ["experiment", *COLUMNS] and len(means) == 8
    assert all(float(row["bleu_low"]) <= float(row["bleu"]) for row in means)
    markdown = (tmp_path / "tiny.md").read_text()
    assert "Types / tokens that have a vector" in markdown
    assert "| 200 | finetuned | frozen | 1 |" in markdown
    assert re.search(r"Text in en for vectors and segmentation: [\d,]+ of [\d,]+ lines; ", markdown)
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
        for p in P_VALUES:
            assert (row[p] is None) == (row["arm"] == "random")
    contrasts = load(tmp_path / "tiny.jsonl").contrasts
    assert [(row["size"], row["arm"], row["other"]) for row in contrasts] == [
        (size, "finetuned", "frozen") for size in (50, 200)
    ]
    for row in contrasts:
        one, other = (
            next(r["bleu"] for r in rows if (r["size"], r["arm"]) == (row["size"], row[key]))
            for key in ("arm", "other")
        )
        assert row["gain_bleu"] == pytest.approx(one - other)
        assert row["gain_bleu_low"] <= row["gain_bleu"] <= row["gain_bleu_high"]
        assert row["gain_bleu_p"] >= row["gain_bleu_p_alone"]


def test_a_report_is_drawn_again_from_its_own_files(reported: Path, tmp_path: Path) -> None:
    first, again = reported, tmp_path / "again"
    drawn = call("draw", str(first / "tiny.jsonl"), "--out", str(again))
    assert drawn.returncode == 0, drawn.stderr
    assert "Against random" in drawn.stdout
    for kind in (*FIGURES, "tex", "csv", "means.csv", "jsonl", "json"):
        one, other = (folder / f"tiny.{kind}" for folder in (first, again))
        assert one.read_bytes() == other.read_bytes(), kind

    assert json.loads((again / "tiny.json").read_text())["definition"]["seeds"] == [1]
    renamed = json.loads((again / "tiny.json").read_text()) | {"name": "more"}
    (again / "tiny.json").write_text(json.dumps(renamed))
    results = [str(folder / "tiny.jsonl") for folder in (first, again)]
    both = call("draw", *results, "--out", str(tmp_path / "both"), "--name", "both")
    assert both.returncode == 0, both.stderr
    html = (tmp_path / "both" / "both.html").read_text()
    assert html.count('class="verdict"') == 2
    assert len((tmp_path / "both" / "both.csv").read_text().splitlines()) == 17


def test_parts_of_an_experiment_are_drawn_as_the_whole(reported: Path, tmp_path: Path) -> None:
    whole, parts = load(reported / "tiny.jsonl"), []
    for size in (200, 50):  # what a report says where this size alone is finished
        rows, means, contrasts = (
            [row for row in table if row["size"] == size]
            for table in (whole.cells, whole.means, whole.contrasts)
        )
        others = [str(cell_of(row)) for row in whole.cells if row["size"] != size]
        part = whole.model_copy(
            update={
                "cells": rows,
                "drawn": {cell_of(row): whole.drawn[cell_of(row)] for row in rows},
                "unfinished": others,
                "means": with_corrected(means, whole.comparisons),
                "contrasts": with_corrected(contrasts, 2),
                "examples": [example for example in whole.examples if example.pairs == size],
            }
        )
        parts.append(str(tmp_path / f"{size}.jsonl"))
        save(part, Path(parts[-1]))
    joined = call("draw", *parts, "--out", str(tmp_path / "joined"))
    assert joined.returncode == 0, joined.stderr
    for kind in (*FIGURES, "tex", "csv", "means.csv", "jsonl", "json", "npz"):
        one, other = (folder / f"tiny.{kind}" for folder in (reported, tmp_path / "joined"))
        assert one.read_bytes() == other.read_bytes(), kind

    file = Path(parts[0]).with_suffix(".json")
    changed = json.loads(file.read_text())
    changed["definition"]["model"]["width"] = 32
    file.write_text(json.dumps(changed))
    refused = call("draw", *parts, "--out", str(tmp_path / "no"))
    assert "two of the experiments are called tiny, and are not the same" in refused.stderr


def test_sizes_of_parts_may_alternate() -> None:
    parts = []
    for sizes in ((100, 10_000, "all"), (1000,)):
        rows = [_row(20_000, "random", 5.0) | {"size": size} for size in sizes]
        part = _findings([_mean(5, "random", None) | {"size": size} for size in sizes], rows)
        definition = {"baseline": "random", "seeds": [1], "arms": {"random": {}}}
        parts.append(part.model_copy(update={"definition": definition}))
    (joined,) = join(parts)
    for rows in (joined.cells, joined.means):
        assert [row["size"] for row in rows] == [100, 1000, 10_000, "all"]


def test_cells_of_a_size_may_be_in_several_parts(reported: Path) -> None:
    whole = load(reported / "tiny.jsonl")
    assert len(whole.drawn) == len(whole.cells)

    def part(*arms: str) -> Findings:
        rows = [row.copy() for row in whole.cells if row["arm"] in arms]
        if "random" not in arms:
            for row in rows:
                row |= {"gain_bleu": None, "gain_chrf": None, "p_bleu": None, "p_bleu_ar": None}
        drawn = {cell_of(row): whole.drawn[cell_of(row)] for row in rows}
        said = {"cells": rows, "drawn": drawn, "means": [], "contrasts": []}
        return whole.model_copy(update=said)

    (joined,) = join([part("finetuned", "source"), part("random", "frozen", "source")])
    for found, known in ((joined.means, whole.means), (joined.contrasts, whole.contrasts)):
        assert len(found) == len(known)
        for one, other in zip(found, known, strict=True):
            numbers = {key for key, value in other.items() if isinstance(value, float)}
            assert {k: one[k] for k in one.keys() - numbers} == {
                k: other[k] for k in other.keys() - numbers
            }
            assert [one[k] for k in numbers] == pytest.approx([other[k] for k in numbers])
    keys = ("size", "arm", "seed", "gain_bleu", "gain_chrf")
    assert [[row[k] for k in keys] for row in joined.cells] == [
        [row[k] for k in keys] for row in whole.cells
    ]

    changed = part("random")
    changed.cells[0]["bleu"] += 1
    with pytest.raises(UserError, match="two parts have 50-random-s1, with other scores: delete"):
        join([whole, changed])
    without = part("frozen").model_copy(update={"drawn": {}})
    with pytest.raises(UserError, match=r"cells of size 50, and .* takes tiny\.npz beside each"):
        join([part("random"), without])


def test_parts_may_differ_in_precision_and_arms_that_are_compared_not(reported: Path) -> None:
    whole = load(reported / "tiny.jsonl")

    def part(precision: str, *sizes: int, arms: Sequence[str] = whole.arms) -> Findings:
        rows = [row for row in whole.cells if row["size"] in sizes and row["arm"] in arms]
        training = whole.definition["training"] | {"precision": precision}
        told = {
            "definition": whole.definition | {"training": training},
            "cells": [row | {"precision": precision} for row in rows],
            "means": [row for row in whole.means if row["size"] in sizes],
        }
        return whole.model_copy(update=told)

    (joined,) = join([part("bfloat16", 50), part("float32", 200)])
    assert words.said(joined)[-1] == (
        "Trained in bfloat16 at 50 and in float32 at 200 pairs: what is said of several sizes "
        "mixes these."
    )
    assert not any("Trained in" in line for line in words.said(whole))
    others = [arm for arm in whole.arms if arm != "random"]
    with pytest.raises(UserError, match="the precision of 50-random-s1 and 50-"):
        join([part("bfloat16", 50, arms=["random"]), part("float32", 50, arms=others)])


def test_test_sentences_can_be_left_out(finished: Run, reported: Path, tmp_path: Path) -> None:
    assert finished.call("report", "--out", str(tmp_path), "--no-examples").returncode == 0
    test = finished.workspace.path(finished.pipeline.hold_out()) / "test.en"
    for folder, shown in ((reported, True), (tmp_path, False)):
        written = [(folder / f"tiny.{kind}").read_text() for kind in ("html", "json", "md")]
        found = any(line in text for text in written for line in test.read_text().splitlines())
        assert found == shown


def test_results_that_can_not_be_drawn_say_what_to_do(reported: Path, tmp_path: Path) -> None:
    for kind in ("jsonl", "json"):
        shutil.copy(reported / f"tiny.{kind}", tmp_path)
    results = tmp_path / "tiny.jsonl"
    for arguments, said in (
        ([tmp_path / "none.jsonl"], "none.jsonl: there is no such file"),
        ([results, results], "tiny: two parts have cells of size 50, and to compare these takes"),
    ):
        result = call("draw", *map(str, arguments), "--out", str(tmp_path / "out"))
        assert result.returncode == 1
        assert said in result.stderr and "Traceback" not in result.stderr
    (tmp_path / "tiny.npz").write_text("half")
    result = call("draw", str(results), "--out", str(tmp_path / "out"))
    assert "tiny.npz: is not what nmt-ablation report writes" in result.stderr
    results.write_text(results.read_text() + "{half a li")
    result = call("draw", str(results), "--out", str(tmp_path / "out"))
    assert f"{results}: line 9 is no JSON" in result.stderr
    results.write_text("")
    (tmp_path / "tiny.json").write_text("[]")
    result = call("draw", str(results), "--out", str(tmp_path / "out"))
    assert "is not what nmt-ablation report writes" in result.stderr


def test_the_documentation_names_every_key_of_the_results(reported: Path) -> None:
    text = (REPOSITORY / "docs" / "results-format.md").read_text()
    cells, rest = text.split("## NAME.json: the rest")
    (first, *_) = (reported / "tiny.jsonl").read_text().splitlines()
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", cells, re.M))))
    assert documented == set(json.loads(first))
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", rest, re.M))))
    assert documented == set(json.loads((reported / "tiny.json").read_text()))


def test_results_are_data_frames_in_a_notebook(reported: Path) -> None:
    cells = notebook.cells(reported / "tiny.jsonl")
    assert len(cells) == 8 and cells["bleu"].dtype == float
    read = pandas.read_json(reported / "tiny.jsonl", lines=True)
    assert list(read["digest"]) == list(cells["digest"])
    means = notebook.means(reported / "tiny.jsonl")
    assert list(means.columns[:2]) == ["experiment", "size"] and len(means) == 8


def test_two_cells_are_compared(finished: Run) -> None:
    cells = ["50-random-s1", "50-finetuned-s1"]
    of_cells = ["--experiment", str(finished.file), *finished.places]
    result = call("compare", *cells, *of_cells)
    assert result.returncode == 0, result.stderr
    assert "BLEU" in result.stdout and "nrefs:1" in result.stdout
    assert "not of other seeds" in result.stdout
    other = call("compare", "50-random-s1", "200-random-s1", *of_cells)
    assert other.returncode == 1
    assert "the training data of 50-random-s1 and 200-random-s1 differ" in other.stderr
    unknown = call("compare", "50-random-s1", "nothing", *of_cells)
    assert "has no cell 'nothing'; nearest: " in unknown.stderr


def test_two_files_are_compared(tmp_path: Path) -> None:
    references = [f"the cat number {at} sat on the mat ." for at in range(40)]
    worse = [line.replace("sat", "lay") if at % 2 else line for at, line in enumerate(references)]
    for name, lines in (("r", references), ("a", worse), ("b", references), ("c", worse[:-1])):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    one, other, short, reference = (str(tmp_path / name) for name in "abcr")
    found = pairwise.of_files(Path(one), Path(other), Path(reference), "13a")
    bleu = found[0]
    assert bleu.scores[1] == pytest.approx(100) and bleu.scores[0] < 90
    assert bleu.gain.mean == pytest.approx(bleu.scores[1] - bleu.scores[0])
    assert 0 < bleu.gain.low < bleu.gain.mean < bleu.gain.high
    assert bleu.p < 0.01 and bleu.p_ar < 0.01
    (same, _) = pairwise.of_files(Path(one), Path(one), Path(reference), "13a")
    assert same.gain.low == same.gain.high == 0 and same.p == same.p_ar == same.gain.p == 1
    result = call("compare", one, short, "--reference", reference)
    assert f"{short}: has 39 lines, and {reference} has 40" in result.stderr
    (tmp_path / "latin").write_bytes(b"ein H\xe4uschen\n" * 40)
    result = call("compare", one, str(tmp_path / "latin"), "--reference", reference)
    assert "latin:1: is not UTF-8" in result.stderr.replace("\n", "")
    assert call("compare", one, other).returncode == 2


def test_a_half_finished_run_reports_what_there_is(finished: Run, new_run: NewRun) -> None:
    # The same workspace, seen through an experiment with a size more.
    more = new_run(("[50, 200]", "[50, 200, 100]"))
    half = Run(more.file, finished.workspace_root, finished.mirror)
    result = half.call("report", "--out", str(more.file.parent / "report"))
    assert result.returncode == 0, result.stderr
    names = ", ".join(f"100-{arm}-s1" for arm in ("random", "frozen", "finetuned", "source"))
    assert f"Not finished yet: {names}." in result.stdout


def test_an_empty_run_says_so(new_run: NewRun, tmp_path: Path) -> None:
    result = new_run().call("report", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    for text in (result.stdout, (tmp_path / "tiny.html").read_text()):
        assert "No cell of tiny is finished yet." in text
        assert "Not finished yet: 50-random-s1, " in text


def test_curves_say_where_a_gain_ends_and_what_it_is_worth() -> None:
    (line,) = curves(
        [
            *(_mean(100, "random", None), _mean(100, "tuned", 4.0)),
            *(_mean(1000, "random", None), _mean(1000, "tuned", -4.0)),
            *(_mean(9000, "random", None), _mean(9000, "tuned", -5.0)),
        ],
        "random",
    )
    assert line.startswith("tuned: its gain ends at 320 pairs (95% interval: 2")
    assert "its estimate is largest at 100 pairs, where random has 6.0 BLEU. To match it" in line
    (unsure,) = curves(
        [row for n in (100, 1000, 9000) for row in (_mean(n, "random", None), _mean(n, "a", 0.1))],
        "random",
    )
    assert unsure.startswith("a: where its gain ends can't be told from these sizes; its estimate")
    assert curves(MEANS[:4], "random") == []  # of two sizes there is nothing to be told
    assert fits(MEANS) == []


@pytest.mark.parametrize(("gains", "at"), [((2, 2, -0.01), "28,991"), ((0.01, -2, -2), "1,004")])
def test_a_size_is_not_rounded_out_of_the_data(gains: tuple[float, ...], at: str) -> None:
    means = []
    for size, gain in zip((1004, 5000, 28991), gains, strict=True):
        means += [_mean(size, "random", None), _mean(size, "tuned", gain)]
    (line,) = curves(means, "random")
    assert f"its gain ends at {at} pairs" in line


@pytest.mark.parametrize(
    ("page", "experiments"),
    [("real-text", ["study-strong", "study-weak"]), ("made-up-text", ["study-synthetic"])],
)
def test_the_studys_tables_are_those_of_the_results_kept(
    page: str, experiments: list[str], tmp_path: Path
) -> None:
    of = [sorted((STUDY / "parts").glob(f"{name}*.jsonl")) for name in experiments]
    parts = [str(path) for found in of for path in found]
    assert bool(parts) == (STUDY / page).is_dir()
    if not parts:
        return
    result = call("draw", *parts, "--out", str(tmp_path), "--name", page)
    assert result.returncode == 0, result.stderr
    for kind in ("csv", "means.csv", "tex"):
        drawn, kept = (folder / f"{page}.{kind}" for folder in (tmp_path, STUDY / page))
        assert drawn.read_text() == kept.read_text(), "bash recipes/study.sh report"


def test_the_studys_predictions_are_judged_by_their_intervals(tmp_path: Path) -> None:
    def contrast(arm: str, other: str, gain: float) -> Row:
        return _mean(1000, arm, gain) | {"other": other}

    means = [_mean(1000, "frozen-random", -3.0), _mean(500, "frozen", -2.0)]
    contrasts = [
        contrast("source-only", "target-only", 0.5),
        contrast("one-space", "finetuned", 0.2),
        contrast("finetuned", "shuffled", -1.5),
    ]
    strong = _findings(means, ROWS, "study-strong").model_copy(update={"contrasts": contrasts})
    save(strong, tmp_path / "s.jsonl")
    judged = _judged(tmp_path).splitlines()
    assert judged[-1] == "6 trainings are kept. They took 2 hours of a core together."
    assert "| 3 | gain at all | below 1 | – | – | not run |" in judged
    for found, said in (
        (
            "| 1 | source-only − target-only, 1,000 | above 0 | +0.50 (-0.50 to +1.50)",
            "not decidable",
        ),
        ("| 5 | gain of frozen, 500 | above 0 | -2.00 (-3.00 to -1.00)", "contradicted"),
        ("| 6 | one-space − finetuned, 1,000 | within 1.3 | +0.20 (-0.80 to +1.20)", "reproduced"),
        ("| 7 | gain of frozen-random, 1,000 | below 0 | -3.00 (-4.00 to -2.00)", "reproduced"),
        ("| 7 | finetuned − shuffled, 1,000 | above 0 | -1.50 (-2.50 to -0.50)", "contradicted"),
    ):
        assert f"{found} | 0.500 | {said} |" in judged
    kept = STUDY / "judged.md"
    assert kept.exists() == (STUDY / "parts").is_dir()
    if kept.exists():
        assert kept.read_text() == _judged(STUDY / "parts"), "bash recipes/study.sh report"


def _judged(parts: Path) -> str:
    script = REPOSITORY / "recipes" / "study_judged.py"
    command = [sys.executable, str(script), str(parts)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_arms_against_each_other_are_put_in_words() -> None:
    sure, doubtful = _mean(100, "a", 2.0, 0.01), _mean(1000, "a", -0.5, 0.4)
    (line,) = contrasts([sure | {"other": "b"}, doubtful | {"other": "b"}])
    assert line == (
        "a against b: +2.0 BLEU (+1.0 to +3.0) at 100 and -0.5 BLEU (-1.5 to +0.5; a doubt) at "
        "1,000 pairs."
    )
