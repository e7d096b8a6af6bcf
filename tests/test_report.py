"""The report shows what the numbers allow."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt_ablation.report import (
    data_tables,
    figure,
    latex,
    markdown,
    tables,
    terminal,
    verdict_figure,
)
from nmt_ablation.report.chart import Chart, Point, Series
from nmt_ablation.report.page import page
from nmt_ablation.report.sentences import contrasts, curves, fits, rests_on, spreads, verdict
from nmt_ablation.report.table import Entry, Header, Table
from nmt_ablation.report.words import verdict_text
from nmt_ablation.report.write import ANALYSIS_FIGURES, COST_FIGURES, FIGURES, KINDS, OF_SEVERAL
from nmt_ablation.results.files import save
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import MeanScore
from nmt_ablation.scoring.bleu import Bleu
from nmt_ablation.scoring.ter import Ter
from tests import rows
from tests.conftest import NewRun, Run, call
from tests.rows import CELLS, MEANS, cell, mean, results

REPOSITORY = Path(__file__).parents[1]
STUDY = REPOSITORY / "docs" / "results" / "study"


@pytest.fixture(scope="module")
def reported(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole report; not to be written to."""
    folder = tmp_path_factory.mktemp("report")
    assert finished.call("report", "--out", str(folder)).returncode == 0
    return folder


def _verdicts(*of_arms: Sequence[str]) -> Results:
    """Return results of arms a, b, ... with these verdicts at 100, 1,000, ... pairs."""
    of_kinds = {
        "better": rows.gain(4.0, 0.001),
        "worse": rows.gain(-2.0, 0.01),
        "equivalent": rows.gain(0.1, 0.4, equivalent=True),
        "open": rows.gain(0.5, 0.4),
    }
    means, cells = [], []
    for size in range(max(map(len, of_arms))):
        pairs = 100 * 10**size
        means.append(mean(pairs, "random", None))
        cells.append(cell(pairs, "random", 10.0))
        for arm, kinds in zip("abcdefgh", of_arms, strict=False):
            if size < len(kinds):
                gains = dict.fromkeys(rows.METRICS, of_kinds[kinds[size]])
                means.append(mean(pairs, arm, None, gains=gains))
                cells.append(cell(pairs, arm, 10.0))
    return results(means, cells)


@pytest.mark.parametrize(
    ("of_arms", "said"),
    [
        (
            [["better", "better"], ["worse", "worse"], ["equivalent"], ["open", "better"]],
            "a is better at every size tested; b is worse at every size tested; c is "
            "equivalent at every size tested; d is better at some sizes and not decided at "
            "others.",
        ),
        ([["better"], ["better"], ["open"]], "a and b are better; c is not decided."),
        ([["open"]] * 5, "a, b, c and other arms are not decided."),
        (
            [["better", "worse"], ["worse", "equivalent", "open"]],
            "a and b change with the size.",
        ),
    ],
)
def test_the_verdict_names_arms_by_what_is_decided(of_arms: list[list[str]], said: str) -> None:
    shown = _verdicts(*of_arms)
    at = " at 100 pairs" if max(map(len, of_arms)) == 1 else ""
    assert verdict(shown) == f"Against random{at}, {said}"
    assert len(re.findall(r"\d+", verdict(shown))) <= 2


def test_what_the_verdict_rests_on_is_said() -> None:
    assert rests_on(results(MEANS, CELLS)) == (
        "Better and worse mean p < 0.05 after Dunnett's correction for 3 comparisons with random. "
        "Equivalent means that the corrected interval contains 0, and is within 1 BLEU of it. "
        "Means are over 2 seeds and 1,000 test sentences. The budget ended 1 of 6 "
        "trainings before patience did; gains shrink as training goes on."
    )
    alone = [row.model_copy(update={"seeds": 1}) for row in MEANS]
    assert "With one seed nothing is decided: a difference may be luck." in rests_on(
        results(alone, CELLS)
    )
    several = [*MEANS[:5], MEANS[5].model_copy(update={"seeds": 3})]
    assert "Means are over 2 to 3 seeds and" in rests_on(results(several, CELLS))
    earlier = [
        row.model_copy(
            update={
                "gains": {
                    name: gain.model_copy(update={"simultaneous": None})
                    for name, gain in row.gains.items()
                }
            }
        )
        for row in MEANS
    ]
    assert "after Holm's correction for 3 comparisons" in rests_on(results(earlier, CELLS))
    assert rests_on(results(MEANS[:1], CELLS[:1])) == ""


def test_a_matrix_shows_each_verdict_by_sign_colour_and_gain(tmp_path: Path) -> None:
    shown = _verdicts(["better", "worse"], ["equivalent", "open"], ["better"])
    table = tables.verdicts(shown)
    assert [header.text for header in table.headers] == ["arm", "100", "1,000"]
    assert [[str(entry) for entry in line] for line in table.lines] == [
        ["a", "▲ +4.0", "▼ -2.0"],
        ["b", "≈ +0.1", "? +0.5"],
        ["c", "▲ +4.0", ""],
    ]
    html = page([shown], "draw")
    assert '<td class="better" data-value="4.0">▲ +4.0</td>' in html
    drawn = verdict_figure.draw([shown])
    assert drawn is not None
    figure.save(drawn, [tmp_path / "v.svg"])
    text = (tmp_path / "v.svg").read_text()
    for said in ("▲ +4.0", "▼ -2.0", "≈ +0.1", "? +0.5"):
        assert text.count(f">{said}<") == sum(said in map(str, line) for line in table.lines)
    assert verdict_figure.draw([results(MEANS[:1], CELLS[:1])]) is None


def test_a_matrix_shows_arms_in_families_and_what_they_start_from(tmp_path: Path) -> None:
    shown = _verdicts(["better"], ["open"], ["better"], ["worse"])
    arms: dict[str, Any] = {
        "random": {},
        "a": {"start": {"encoder": "masked", "decoder": "causal"}},
        "b": {},
        "c": {"start": {"model": "bart"}, "tuning": {"encoder": {"unfreeze": 300}}},
        "d": {
            "start": {"encoder": "masked", "decoder": "causal"},
            "tuning": {"encoder": {"frozen": True}},
            "control": "shuffled",
        },
    }
    shown = shown.model_copy(update={"definition": shown.definition | {"arms": arms}})
    table = tables.verdicts(shown)
    assert [[str(entry) for entry in line] for line in table.lines] == [
        ["nothing", "b", "? +0.5", "", ""],
        ["masked and causal", "a", "▲ +4.0", "encoder, decoder", "fine-tuned"],
        ["masked and causal", "d", "▼ -2.0", "encoder, decoder", "frozen, shuffled"],
        ["bart", "c", "▲ +4.0", "model", "encoder: unfreeze 300"],
    ]
    drawn = verdict_figure.draw([shown])
    assert drawn is not None
    names = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    assert names == ["from nothing", "b", "from masked and causal", "a", "d", "from bart", "c"]


def test_rows_of_a_terminal_s_table_are_ruled_by_group_alone() -> None:
    def ruled(*firsts: str) -> list[bool]:
        lines = [[Entry(first), Entry("1")] for first in firsts]
        drawn = terminal.render(Table("", [Header("a"), Header("b")], lines))
        return [row.end_section for row in drawn.rows]

    assert ruled("x", "x", "y") == [False, True, True]
    assert ruled("x", "y", "z") == [False, False, False]


def test_nothing_is_not_less_than_nothing() -> None:
    assert verdict_text(rows.gain(-0.04), 1) == "? +0.0"
    assert verdict_text(rows.gain(-0.06), 1) == "? -0.1"


def test_a_matrix_of_thirty_arms_is_legible_on_a_phone() -> None:
    means = [mean(100, "random", None)]
    means += [mean(100, f"arm-{number}", 1.0) for number in range(30)]
    cells = [cell(row.pairs, row.arm, 10.0) for row in means]
    drawn = verdict_figure.draw([results(means, cells)])
    assert drawn is not None
    assert len(drawn.axes[0].get_yticklabels()) == 30
    width, height = drawn.get_size_inches()
    assert width <= 4 and height / 32 >= 0.25


def test_spreads_that_differ_are_warned_of() -> None:
    draw = np.random.default_rng(1)
    cells = [
        cell(100, arm, 20 + draw.normal(0, noise), seed=seed)
        for arm, noise in (*((arm, 0.1) for arm in ("random", "a", "b", "c", "d")), ("wild", 5.0))
        for seed in range(1, 8)
    ]
    (said,) = spreads(results([], cells))
    assert said.startswith("Scores of some arms vary more from seed to seed than those of others")
    assert spreads(results(MEANS, CELLS)) == []


def test_without_a_comparison_the_verdict_says_so() -> None:
    said = verdict(results(MEANS[:1], CELLS[:1]))
    assert said == "No arm can be compared with random yet."


def test_a_chart_holds_every_point_and_a_single_one_too() -> None:
    alone = Chart("", "", "", [Series("a", 0, [[(250, 3.0)]])])
    assert alone.x_ticks == [250]
    points = [Point(4000, 1.0, "")]
    chart = Chart("", "", "", [Series("a", 0, [[(500, 1.0), (1000, 2.0)]], points=points)], True)
    assert chart.left <= chart.x(500) < chart.x(4000) <= chart.right


def test_peoples_agreement_is_shown_for_significant_gains_only() -> None:
    measure = Bleu().measure
    assert measure.people_agree(1.0) == measure.people_agree(-1.0)
    assert measure.people_agree(1.0) == pytest.approx(0.64, abs=0.01)
    assert measure.people_agree(50) == measure.most_agreement == 0.85
    assert Ter().measure.people_agree(1.0) is None
    lines = markdown.render(tables.means(results(MEANS, CELLS))).splitlines()
    assert lines[0].startswith("| pairs | arm | seeds | BLEU | Δ BLEU | p | people agree | random")
    assert lines[3].startswith(
        "| 100 | tuned | 2 | 10.0 (9.0 to 11.0) | +4.0 (+3.0 to +5.0) | 0.001 | >85% | "
    )
    undecided = "| 1,000 | tuned | 2 | 10.0 (9.0 to 11.0) | +0.1 (-0.9 to +1.1) | 0.400 | – |"
    assert lines[5].startswith(undecided)


def test_terminal_page_markdown_and_latex_show_the_same_means() -> None:
    shown = results(MEANS, CELLS)
    described = tables.means(shown)
    text = terminal.render(described)
    rich_columns = [str(column.header) for column in text.columns]
    assert rich_columns == [it.text for it in described.headers if it.terminal != "no"]
    assert list(text.columns[4].cells)[1] == "+4.0 (+3.0 to +5.0)"
    html = page([shown], "draw").partition("<h3>Means</h3>")[2].partition("</table>")[0]
    heads = re.findall(r'<th scope="col".*?><button type="button">(.*?)</button>', html)
    assert heads == [it.text for it in described.headers]
    assert '+4.0 <span class="quiet">(+3.0 to +5.0)</span>' in html
    for line in markdown.render(described).splitlines()[2:8]:
        assert len(line.split(" | ")) == len(described.headers)
    assert "10.0 ($+4.0$)$^*$" in latex.render(tables.by_size(shown))


def test_a_comparison_has_one_p_in_the_whole_report() -> None:
    shown = results(MEANS, CELLS)
    html, text = page([shown], "draw"), markdown.render(tables.cells(shown))
    assert "0.010" in markdown.render(tables.means(shown))
    for line in text.splitlines()[:8]:
        assert "0.01" not in line and "0.02" not in line  # the cells' own tests
    assert html.count(">0.010<") == 2  # BLEU and chrF, in the table of means alone


def test_the_primary_metric_is_drawn_and_judged_by(tmp_path: Path) -> None:
    score = MeanScore(mean=60.0, low=55.0, high=65.0)
    better = rows.gain(5.0, 0.001)
    means = [
        mean(100, "random", None, scores={"ter": score}),
        mean(100, "tuned", 0.0, scores={"ter": score}, gains={"ter": better}),
    ]
    cells = [
        it.model_copy(
            update={
                "scores": {"ter": it.scores["bleu"]},
                "gains": {"ter": it.gains["bleu"]},
                "tests": {},
            }
        )
        for it in CELLS[:2]
    ]
    shown = results(means, cells).model_copy(
        update={"measures": {"ter": Ter().measure}, "primary": "ter"}
    )
    assert verdict(shown) == "Against random at 100 pairs, tuned is better."
    text = markdown.render(tables.means(shown))
    assert "| TER | −Δ TER | p |" in text and "people agree" not in text
    assert "Lower is better by TER; a gain by it is a fall." in text
    figure.save(figure.draw([shown]), [tmp_path / "f.svg"])
    assert ">TER<" in (tmp_path / "f.svg").read_text()
    assert "BLEU" not in page([shown], "draw").replace("BLEU on the validation set", "")


def test_no_two_arms_look_the_same() -> None:
    arms = [f"arm {number}" for number in range(30)]
    looks = [figure.look_of(arms, arm) for arm in arms]
    assert len({(look["color"], look["marker"]) for look in looks}) == 30
    assert len({look["marker"] for look in looks[:10]}) == 10  # grey prints


def test_trainings_that_the_budget_ended_are_marked_everywhere(tmp_path: Path) -> None:
    whole, patient = results(MEANS, CELLS), results(MEANS[:4], CELLS[:4])
    assert "| 100 ↑ |" in markdown.render(tables.cells(whole))
    for shown, marked in ((whole, True), (patient, False)):
        assert (tables.NOTES["budget"] in markdown.render(tables.cells(shown))) == marked
        assert (tables.NOTES["budget"] in markdown.render(tables.means(shown))) == marked
        assert ("$^\\dagger$" in latex.render(tables.by_size(shown))) == marked
        figure.save(figure.draw([shown]), [tmp_path / "f.png", tmp_path / "f.svg"])
        assert ("ended by its budget" in (tmp_path / "f.svg").read_text()) == marked
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_drawn_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "other"):
        paths = [tmp_path / f"{name}.{kind}" for kind in FIGURES]
        figure.save(figure.draw([results(MEANS, CELLS)]), paths)
    for kind in FIGURES:
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"other.{kind}").read_bytes()


def test_experiments_stand_side_by_side_and_arms_look_the_same_in_all(tmp_path: Path) -> None:
    # The second has no baseline; its arm must not take the baseline's colour.
    second = results(MEANS[1::2], CELLS[1::2], "other")
    counts = []
    for shown in ([results(MEANS, CELLS)], [results(MEANS, CELLS), second]):
        figure.save(figure.draw(shown), [tmp_path / "f.svg"])
        text = (tmp_path / "f.svg").read_text()
        counts.append(text.count(figure.COLOURS[1].lower()))
    assert "tiny (xx-en)" in text and "other (xx-en)" in text
    assert counts[1] > 1.5 * counts[0]


def test_experiments_stand_side_by_side_on_one_scale_of_sizes() -> None:
    whole, lone = results(MEANS, CELLS), results(MEANS[2:4], CELLS[2:4], "other")
    both, alone = (
        {axes.get_xlim() for axes in each.axes if axes.get_xscale() == "log"}
        for each in (figure.draw([whole, lone]), figure.draw([lone]))
    )
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
    left_out: list[tuple[int, str]],
    random: list[int],
    tuned: list[int],
) -> None:
    means = [row for row in MEANS if (row.size, row.arm) not in left_out]
    cells = [row for row in CELLS if (row.size, row.arm) not in left_out]
    shown = results(means, cells)
    drawn = figure.draw([shown])
    scores = page([shown], "draw").partition("<figure")[2].partition("</figure>")[0]
    for arm, points in (("random", random), ("tuned", tuned)):
        colour = figure.look_of(shown.arms, arm)["color"]
        lines = [line for line in drawn.axes[0].lines if line.get_color() == colour]
        lengths = [np.size(line.get_xdata()) for line in lines if not line.get_marker()]
        assert lengths == points
        group = scores.partition(f'data-arm="{arm}"')[2].partition("</g>")[0]
        polylines = re.findall(r'<polyline .*points="(.*)"', group)
        assert [len(line.split()) for line in polylines] == points
        bands = re.findall(r'<polygon .*points="(.*)"', group)
        assert [len(band.split()) for band in bands] == [2 * number for number in points]


def test_arms_of_one_size_are_listed_below_the_curves(tmp_path: Path) -> None:
    means = [*MEANS, mean(1000, "control", -0.5)]
    cells = [*CELLS, cell(1000, "control", 19.5, -0.5)]
    alone = CELLS[3].model_copy(update={"gains": {}})
    for shown, names in (
        (results(means, cells), {"random": 1, "tuned": 2, "control": 1}),  # legend and list
        (results(MEANS, CELLS), {"random": 1, "tuned": 1}),
        (results(means[2:4] + means[-1:], cells[2:4] + cells[-1:]), {"tuned": 1, "control": 1}),
        (results([], [CELLS[0], alone]), {"random": 1, "tuned": 1}),
    ):
        figure.save(figure.draw([shown]), [tmp_path / "f.svg"])
        text = (tmp_path / "f.svg").read_text()
        assert {name: text.count(f">{name}<") for name in names} == names
        listed = names.keys() >= {"control", "random"}
        assert ("gain over random at 1,000 pairs" in text) == listed
        html = page([shown], "draw")
        assert (">control, 1,000 pairs</text>" in html) == listed
        if "control" in names:  # in the list alone, or in both charts and no list
            assert html.count('data-arm="control"') == (1 if listed else 2)


def test_a_fit_is_drawn_where_sizes_determine_it_and_beyond_the_data(tmp_path: Path) -> None:
    sizes = [500, 1000, 2000, 4000, 8000, 16000]
    means = [mean(n, "random", None, score=40 / (1 + (3000 / n) ** 1.2)) for n in sizes]
    cells = [cell(row.pairs, "random", row.scores["bleu"].mean) for row in means]
    for shown, drawn in ((results(means, cells), True), (results(means[:4], cells[:4]), False)):
        figure.save(figure.draw([shown]), [tmp_path / "f.svg"])
        assert ("fitted, and beyond the data" in (tmp_path / "f.svg").read_text()) == drawn
        assert ('class="line fit"' in page([shown], "draw")) == drawn
        assert bool(fits(shown)) == drawn
    (said,) = fits(results(means, cells))
    assert said.startswith("random: the curve is best described by a logistic curve, C / (1 + ")


def test_the_table_for_papers_marks_what_is_significant() -> None:
    renamed = {"arm": "a_b"}
    means = [row.model_copy(update=renamed) if row.arm == "tuned" else row for row in MEANS]
    cells = [row.model_copy(update=renamed) if row.arm == "tuned" else row for row in CELLS]
    lines = latex.render(tables.by_size(results(means, cells))).splitlines()
    assert r"sentence pairs & 100 & 1,000 & 9,000 \\" in lines
    assert r"random & 10.0 & 10.0 & 10.0$^\dagger$ \\" in lines
    assert r"a\_b & 10.0 ($+4.0$)$^*$ & 10.0 ($+0.1$) & 10.0 ($-2.0$)$^*$ \\" in lines


def test_a_corpus_whose_name_is_an_attack_is_only_text_in_markdown() -> None:
    corpus = rows.CORPUS.model_copy(update={"corpus": '<img src="x" onerror="x"> | x'})
    shown = results(MEANS, CELLS).model_copy(update={"corpora": [corpus]})
    text = markdown.render(data_tables.corpora(shown))
    assert "<img" not in text and len(text.splitlines()[2].split(" | ")) == 6


def test_a_finished_run_is_reported_whole(finished: Run, tmp_path: Path) -> None:
    result = finished.call("report", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "Against random" in result.stdout
    assert not (tmp_path / "tiny.cost.png").exists()
    for kind in set(KINDS).difference(ANALYSIS_FIGURES, COST_FIGURES, OF_SEVERAL):
        path = tmp_path / f"tiny.{kind}"
        assert path.stat().st_size > 0
        assert str(path) in result.stdout
    means = list(csv.DictReader((tmp_path / "tiny.means.csv").open()))
    assert len(means) == 8
    assert all(float(row["bleu_low"]) <= float(row["bleu"]) for row in means)
    cells = list(csv.DictReader((tmp_path / "tiny.csv").open()))
    assert len(cells) == 8
    for row in cells:
        for test in ("bootstrap_p_bleu", "randomisation_p_chrf"):
            assert (row[test] == "") == (row["arm"] == "random")
    text = (tmp_path / "tiny.md").read_text()
    assert "Shares of types / of tokens that have a vector" in text
    assert "| 200 | finetuned | frozen | 1 |" in text
    assert re.search(r"Text in en for vectors and subwords: [\d,]+ of [\d,]+ lines\. ", text)
    translations = tmp_path / "tiny.hypotheses.tsv"
    lines = [line.split("\t") for line in translations.read_text().split("\n")[:-1]]
    assert len(lines) == 31
    assert lines[0][:4] == ["test_set", "source", "reference", "50-random-s1"]
    assert all(line[1] and line[2] and len(line) == 11 for line in lines)
    held_out = finished.workspace.path(finished.pipeline.hold_out()) / "test.en"
    assert [line[2] for line in lines[1:]] == held_out.read_text().splitlines()


def test_a_report_builds_nothing(finished: Run, tmp_path: Path) -> None:
    store = finished.workspace_root / "store"
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    result = finished.call("report", "--out", str(tmp_path))
    assert result.returncode == 0
    assert "…" not in result.stdout  # its tables fit into 80 columns
    assert before == {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    assert {"score", "resamples", "compare"} <= {path.name for path in store.iterdir()}


def test_a_report_is_drawn_again_from_its_own_files(reported: Path, tmp_path: Path) -> None:
    first, again = reported, tmp_path / "again"
    drawn = call("draw", str(first / "tiny.jsonl"), "--out", str(again))
    assert drawn.returncode == 0, drawn.stderr
    assert "Against random" in drawn.stdout
    for kind in (*FIGURES, "tex", "csv", "means.csv", "jsonl", "json", "npz", "hypotheses.tsv"):
        one, other = (folder / f"tiny.{kind}" for folder in (first, again))
        assert one.read_bytes() == other.read_bytes(), kind

    assert json.loads((again / "tiny.json").read_text())["definition"]["seeds"] == [1]
    renamed = json.loads((again / "tiny.json").read_text()) | {"name": "more"}
    (again / "tiny.json").write_text(json.dumps(renamed))
    both = [str(folder / "tiny.jsonl") for folder in (first, again)]
    result = call("draw", *both, "--out", str(tmp_path / "both"), "--name", "both")
    assert result.returncode == 0, result.stderr
    html = (tmp_path / "both" / "both.html").read_text()
    assert html.count('class="verdict"') == 2
    assert len((tmp_path / "both" / "both.csv").read_text().splitlines()) == 17


def test_experiments_that_were_not_scored_alike_are_not_drawn_side_by_side(
    reported: Path, tmp_path: Path
) -> None:
    for kind in ("jsonl", "json", "npz"):
        shutil.copy(reported / f"tiny.{kind}", tmp_path / f"other.{kind}")
    other = tmp_path / "other.jsonl"
    other.with_suffix(".json").write_text(
        json.dumps(json.loads(other.with_suffix(".json").read_text()) | {"name": "other"})
    )
    other.write_text(other.read_text().replace("tok:13a", "tok:zh"))
    both = [str(reported / "tiny.jsonl"), str(other)]
    result = call("draw", *both, "--out", str(tmp_path / "both"))
    assert result.returncode == 1
    assert "BLEU was not computed alike" in result.stderr
    assert not list((tmp_path / "both").glob("*")) or not (tmp_path / "both").exists()


def test_test_sentences_can_be_left_out(finished: Run, reported: Path, tmp_path: Path) -> None:
    assert finished.call("report", "--out", str(tmp_path), "--no-examples").returncode == 0
    test = finished.workspace.path(finished.pipeline.hold_out()) / "test.en"
    assert (reported / "tiny.hypotheses.tsv").exists()
    assert not (tmp_path / "tiny.hypotheses.tsv").exists()
    for folder, shown in ((reported, True), (tmp_path, False)):
        written = [(folder / f"tiny.{kind}").read_text() for kind in ("html", "json", "md")]
        found = any(line in text for text in written for line in test.read_text().splitlines())
        assert found == shown


def test_translations_that_were_removed_are_left_out(finished: Run, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(finished.workspace_root, workspace)
    shutil.rmtree(workspace / "store" / "translate")
    run, out = Run(finished.file, workspace, finished.mirror), tmp_path / "out"
    result = run.call("report", "--out", str(out))
    assert result.returncode == 0, result.stderr
    assert not (out / "tiny.hypotheses.tsv").exists()
    assert len((out / "tiny.csv").read_text().splitlines()) == 9


def test_results_that_can_not_be_drawn_say_what_to_do(reported: Path, tmp_path: Path) -> None:
    for kind in ("jsonl", "json"):
        shutil.copy(reported / f"tiny.{kind}", tmp_path)
    cells = tmp_path / "tiny.jsonl"
    for arguments, said in (
        ([tmp_path / "none.jsonl"], "none.jsonl: there is no such file"),
        ([cells, cells], "tiny: two parts have cells of size 50; to compare them, each part needs"),
    ):
        result = call("draw", *map(str, arguments), "--out", str(tmp_path / "out"))
        assert result.returncode == 1
        assert said in result.stderr and "Traceback" not in result.stderr
    (tmp_path / "tiny.npz").write_text("half")
    result = call("draw", str(cells), "--out", str(tmp_path / "out"))
    assert "tiny.npz: is not what nmt-ablation report writes" in result.stderr
    cells.write_text(cells.read_text() + "{half a li")
    result = call("draw", str(cells), "--out", str(tmp_path / "out"))
    assert f"{cells}: line 9 is not what nmt-ablation report writes" in result.stderr
    cells.write_text("")
    for text in ("[]", "{", '{"name": "tiny"}'):
        (tmp_path / "tiny.json").write_text(text)
        result = call("draw", str(cells), "--out", str(tmp_path / "out"))
        assert "tiny.json: is not what nmt-ablation report writes" in result.stderr
        assert "Traceback" not in result.stderr


def test_the_documentation_names_every_key_of_the_results(reported: Path) -> None:
    text = (REPOSITORY / "docs" / "results-format.md").read_text()
    cells, rest = text.split("## NAME.json: the rest")
    (first, *_) = (reported / "tiny.jsonl").read_text().splitlines()
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", cells, re.M))))
    assert documented == set(json.loads(first))
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", rest, re.M))))
    assert documented == set(json.loads((reported / "tiny.json").read_text()))


def test_a_half_finished_run_reports_what_there_is(finished: Run, new_run: NewRun) -> None:
    # The same workspace, seen through an experiment with a size more.
    more = new_run(("[50, 200]", "[50, 200, 100]"))
    half = Run(more.file, finished.workspace_root, finished.mirror)
    result = half.call("report", "--out", str(more.file.parent / "report"))
    assert result.returncode == 0, result.stderr
    names = ", ".join(f"100-{arm}-s1" for arm in ("random", "frozen", "finetuned", "source"))
    assert f"Not finished yet: {names}." in result.stdout


def test_curves_say_where_a_gain_ends() -> None:
    means = [
        *(mean(100, "random", None), mean(100, "tuned", 4.0, p=0.01)),
        *(mean(1000, "random", None), mean(1000, "tuned", -4.0)),
        *(mean(9000, "random", None), mean(9000, "tuned", -5.0)),
    ]
    (line,) = curves(results(means, CELLS))
    assert line.startswith("tuned: the estimated gain ends at 320 pairs (95% interval: 2")
    assert line.endswith("It is largest at 100 pairs.")
    unclear = [
        row
        for n in (100, 1000, 9000)
        for row in (mean(n, "random", None), mean(n, "a", 0.1, p=0.01))
    ]
    (line,) = curves(results(unclear, CELLS))
    assert line.startswith("a: these sizes don't show where the gain ends. It is largest")
    same = [row for n in (100, 1000, 9000) for row in (mean(n, "random", None), mean(n, "a", 0.1))]
    assert curves(results(same, CELLS)) == []  # no gain is significant
    assert curves(results(MEANS[:4], CELLS[:4])) == []  # two sizes make no curve
    assert fits(results(MEANS, CELLS)) == []


def test_the_pairs_that_the_baseline_needs_stand_beside_a_gain() -> None:
    means = []
    for size, score in ((100, 10.0), (1000, 20.0), (9000, 30.0)):
        means += [
            mean(size, "random", None, score=score),
            mean(size, "tuned", 5.0, score=score + 5),
        ]
    text = markdown.render(tables.means(results(means, CELLS)))
    needs = [line.split(" | ")[7] for line in text.splitlines()[3:8:2]]
    assert needs == ["320 (250 to 400)", "3,000 (2,400 to 3,700)", "beyond 9,000"]
    assert "random needs" not in markdown.render(tables.means(results(MEANS[:4], CELLS[:4])))


@pytest.mark.parametrize(("gains", "at"), [((2, 2, -0.01), "28,991"), ((0.01, -2, -2), "1,004")])
def test_a_size_is_not_rounded_out_of_the_data(gains: tuple[float, ...], at: str) -> None:
    means = []
    for size, gain in zip((1004, 5000, 28991), gains, strict=True):
        means += [mean(size, "random", None), mean(size, "tuned", gain, p=0.01)]
    (line,) = curves(results(means, CELLS))
    assert f"the estimated gain ends at {at} pairs" in line


def test_arms_against_each_other_are_put_in_words() -> None:
    found = [rows.contrast(100, "a", "b", 2.0, 0.01), rows.contrast(1000, "a", "b", -0.5, 0.4)]
    (line,) = contrasts(results(MEANS, CELLS, contrasts=found))
    assert line == ("a against b: better at 100 pairs and not decided at 1,000 pairs.")


@pytest.mark.parametrize(
    ("page", "experiments"),
    [
        ("real-text", ["study-strong*", "study-weak*"]),
        ("made-up-text", ["study-synthetic", "study-synthetic-strong"]),
    ],
)
def test_the_studys_tables_are_those_of_the_results_kept(
    page: str, experiments: list[str], tmp_path: Path
) -> None:
    of = [sorted((STUDY / "parts").glob(f"{name}.jsonl")) for name in experiments]
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
    means = [mean(1000, "frozen-random", -3.0), mean(500, "frozen", -2.0)]
    found = [
        rows.contrast(1000, "source-only", "target-only", 0.5),
        rows.contrast(1000, "one-space", "finetuned", 0.2),
        rows.contrast(1000, "finetuned", "shuffled", -1.5),
    ]
    save(results(means, CELLS, "study-strong", found), tmp_path / "s.jsonl")
    judged = _judged(tmp_path).splitlines()
    assert judged[-1] == "6 trainings are kept. They took 2 hours of a core together."
    assert "| 3 | gain at all | below 1 | – | – | not run |" in judged
    for difference, said in (
        (
            "| 1 | source-only − target-only, 1,000 | above 0 | +0.50 (-0.50 to +1.50)",
            "not decidable",
        ),
        ("| 5 | gain of frozen, 500 | above 0 | -2.00 (-3.00 to -1.00)", "contradicted"),
        ("| 6 | one-space − finetuned, 1,000 | within 1.3 | +0.20 (-0.80 to +1.20)", "reproduced"),
        ("| 7 | gain of frozen-random, 1,000 | below 0 | -3.00 (-4.00 to -2.00)", "reproduced"),
        ("| 7 | finetuned − shuffled, 1,000 | above 0 | -1.50 (-2.50 to -0.50)", "contradicted"),
    ):
        assert f"{difference} | 0.500 | {said} |" in judged
    for name in ("judged", "sensitivity"):
        kept = STUDY / f"{name}.md"
        assert kept.read_text() == _judged(STUDY / "parts", name), "bash recipes/study.sh report"


def _judged(parts: Path, name: str = "judged") -> str:
    script = REPOSITORY / "recipes" / f"study_{name}.py"
    command = [sys.executable, str(script), str(parts)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
