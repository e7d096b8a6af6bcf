"""Numbers of a report: what is comparable, means, decisions, and parts as one again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.report.sentences import precisions
from nmt_ablation.results import notebook, pairwise
from nmt_ablation.results.comparable import check_pairing, check_signatures, with_gains
from nmt_ablation.results.design import Design, differences
from nmt_ablation.results.files import load, save
from nmt_ablation.results.gather import gather
from nmt_ablation.results.join import join
from nmt_ablation.results.means import Evidence, contrast, summarise, unlike
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import CellRow, Row, Validation
from nmt_ablation.results.verdict import VERDICTS, decide
from nmt_ablation.scoring.config import Scoring
from nmt_ablation.scoring.resample import Scores
from nmt_ablation.scoring.score import Score
from nmt_ablation.scoring.ter import Ter
from tests import rows
from tests.conftest import Run, call
from tests.rows import CELLS, MEANS, PAIRING, TRAINING

MEASURES = Scoring().measures


@pytest.fixture(scope="module")
def whole(finished: Run) -> Results:
    """The results of a whole run."""
    return gather(finished.pipeline, finished.workspace, "report")


@pytest.fixture(scope="module")
def saved(whole: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a whole run in files; not to be written to."""
    path = tmp_path_factory.mktemp("saved") / "tiny.jsonl"
    save(whole, path)
    return path


def test_missing_cells_are_named_and_of_many_the_first_and_the_last() -> None:
    few = rows.results([], CELLS).model_copy(update={"unfinished": ["9-a-s1", "9-b-s1"]})
    assert few.missing == "9-a-s1, 9-b-s1"
    names = [f"{number}-a-s1" for number in range(57)]
    many = few.model_copy(update={"unfinished": names})
    assert many.missing == f"57 of {57 + len(CELLS)} cells, from 0-a-s1 to 56-a-s1"


def test_arms_are_decided_size_by_size_by_the_primary_metric() -> None:
    (decision,) = decide(rows.results(MEANS, CELLS))
    assert (decision.arm, decision.other, decision.everywhere) == ("tuned", "random", None)
    found = {kind: decision.sizes(kind) for kind in VERDICTS}
    assert found == {"better": [100], "worse": [9000], "equivalent": [], "open": [1000]}
    chrf = {"bleu": rows.gain(0.1, 0.4), "chrf": rows.gain(3.0, 0.001)}
    means = [MEANS[0], rows.mean(100, "tuned", 0.0, gains=chrf)]
    for primary, verdict in (("bleu", "open"), ("chrf", "better")):
        shown = rows.results(means, CELLS[:2]).model_copy(update={"primary": primary})
        assert decide(shown)[0].everywhere == verdict


def test_intervals_of_scores_end_where_scores_do() -> None:
    cells, resamples = [], {}
    for arm, bleu in (("random", 99.0), ("tuned", 0.5)):
        for seed, other in ((1, 0.5), (2, -0.5)):
            cells.append(rows.cell(100, arm, bleu + other, seed=seed))
            drawn = dict.fromkeys(MEASURES, np.full(10, bleu + other))
            resamples[cells[-1].cell] = drawn
    random, tuned = summarise(Evidence(cells, resamples, MEASURES, {}), "random", [1])
    assert (random.scores["bleu"].high, tuned.scores["chrf"].low) == (100, 0)
    assert 90 < random.scores["bleu"].low < random.scores["bleu"].mean == 99
    assert tuned.gains["bleu"].low < tuned.gains["bleu"].mean < tuned.gains["bleu"].high


def test_by_a_metric_that_falls_a_gain_is_positive_where_the_arm_is_better() -> None:
    measures = {"ter": Ter().measure}
    cells, resamples = [], {}
    draw = np.random.default_rng(1)
    for arm, ter in (("random", 60.0), ("tuned", 120.0)):
        score = {"ter": Score(value=ter, signature="t")}
        cells.append(rows.cell(100, arm, 0, None, scores=score))
        resamples[cells[-1].cell] = {"ter": np.array([ter, *draw.normal(ter, 1, 50)])}
    with_their_gains = with_gains(cells, "random", measures)
    assert [row.gains["ter"] for row in with_their_gains] == [0, -60]
    _, tuned = summarise(Evidence(with_their_gains, resamples, measures, {}), "random", [1])
    gain = tuned.gains["ter"]
    assert gain.low < -60 < gain.high < 0 and gain.mean == pytest.approx(-60)
    assert tuned.scores["ter"].high > 120  # TER has no upper end


def _seeds(
    gain: float, noise: float, seeds: int = 4, size: int = 100
) -> tuple[list[CellRow], dict[Cell, Scores]]:
    """Return cells of two arms, of which one gains so much, and their resamples."""
    draw, cells = np.random.default_rng(1), list[CellRow]()
    resamples = dict[Cell, Scores]()
    for arm, more in (("random", 0.0), ("tuned", gain)):
        for seed in range(1, seeds + 1):
            bleu = 20 + more + draw.normal(0, noise)
            cells.append(rows.cell(size, arm, bleu, seed=seed))
            drawn = np.array([bleu, *draw.normal(bleu, 0.01, 50)])
            resamples[cells[-1].cell] = {"bleu": drawn, "chrf": 2 * drawn}
    return cells, resamples


@pytest.mark.parametrize(
    ("gain", "noise", "seeds", "verdict"),
    [
        (3.0, 0.2, 4, "better"),
        (-3.0, 0.2, 4, "worse"),
        (0.0, 0.2, 4, "equivalent"),
        (0.0, 2.0, 4, "open"),
        (3.0, 0.0, 1, "open"),
        (0.0, 0.0, 1, "open"),
    ],
)
def test_there_are_four_verdicts_and_one_seed_decides_nothing(
    gain: float, noise: float, seeds: int, verdict: str
) -> None:
    cells, resamples = _seeds(gain, noise, seeds)
    evidence = Evidence(cells, resamples, MEASURES, {"bleu": 1.0})
    _, tuned = summarise(evidence, "random", [1])
    (against,) = contrast(evidence, [("tuned", "random")], 1)
    for row in (tuned, against):
        found = row.gains["bleu"]
        assert found.verdict == verdict
        assert found.simultaneous is not None and (found.p is None) == (seeds == 1)
        if seeds > 1:
            low, high = found.simultaneous
            assert (found.p < 0.05) == (not low <= 0 <= high)  # type: ignore[operator]
    assert tuned.gains["chrf"].verdict != "equivalent"  # it has no smallest gain of interest


def test_the_more_is_compared_the_more_it_takes() -> None:
    cells, resamples = _seeds(0.5, 0.2)
    few, many = (
        summarise(Evidence(cells, resamples, MEASURES, {}), "random", compared)[1].gains["bleu"]
        for compared in ([1], [20, 20])
    )
    assert (few.low, few.high, few.p_alone) == (many.low, many.high, many.p_alone)
    assert few.simultaneous == pytest.approx((few.low, few.high))
    assert few.p is not None and many.p is not None and few.p < many.p
    assert many.simultaneous is not None and many.simultaneous[0] < many.low


def test_arms_and_sizes_that_vary_more_than_others_are_found() -> None:
    cells, _ = _seeds(0.0, 0.1, seeds=6)
    more, _ = _seeds(0.0, 3.0, seeds=6, size=1000)
    of_arms, of_sizes = unlike([*cells, *more], "bleu", MEASURES["bleu"])
    assert of_sizes is not None and of_sizes < 0.001
    assert of_arms is not None and of_arms > 0.05
    assert unlike(cells[:1], "bleu", MEASURES["bleu"]) == (None, None)


DIFFERENCES: list[tuple[str, dict[str, Any]]] = [
    ("the training data", {"pairing": PAIRING.model_copy(update={"data": "e"})}),
    (
        "the weights before training",
        {"pairing": PAIRING.model_copy(update={"initial_weights": "v"})},
    ),
    ("the order of batches", {"pairing": PAIRING.model_copy(update={"batches": {1: "z"}})}),
    ("the precision", {"training": TRAINING.model_copy(update={"precision": "bfloat16"})}),
    ("the device", {"training": TRAINING.model_copy(update={"device": "cuda"})}),
    ("the version of torch", {"training": TRAINING.model_copy(update={"torch": "3"})}),
    (
        "the BLEU signature",
        {"scores": CELLS[1].scores | {"bleu": Score(value=9, signature="other")}},
    ),
    (
        "the chrF signature",
        {"scores": CELLS[1].scores | {"chrf": Score(value=9, signature="other")}},
    ),
]


@pytest.mark.parametrize(("what", "change"), DIFFERENCES, ids=[what for what, _ in DIFFERENCES])
def test_cells_that_are_not_comparable_are_refused(what: str, change: dict[str, Any]) -> None:
    with_gains(CELLS[:2], "random", MEASURES)
    other = CELLS[1].model_copy(update=change)
    with pytest.raises(UserError, match=f"{what} of 100-random-s1 and 100-tuned-s1 differ"):
        with_gains([CELLS[0], other], "random", MEASURES)


def test_arms_that_end_at_different_updates_are_compared_as_far_as_both_went() -> None:
    longer = PAIRING.model_copy(update={"batches": {1: "x", 50: "y", 100: "z"}})
    check_pairing(CELLS[0], CELLS[1].model_copy(update={"pairing": longer}))
    check_signatures(CELLS[0], CELLS[1], MEASURES)


def test_a_finished_run_is_gathered_whole(whole: Results) -> None:
    assert len(whole.cells) == 8 and whole.unfinished == []
    for row in whole.cells:
        (base,) = (it for it in whole.cells if it.arm == "random" and it.size == row.size)
        assert row.gains["bleu"] == row.scores["bleu"].value - base.scores["bleu"].value
        assert bool(row.tests) == (row.arm != "random")  # `run` has made the comparisons
        assert bool(row.coverage) == (row.arm != "random")
        assert row.training.validations[0].update == 20
    found = [(row.size, row.arm, row.other) for row in whole.contrasts]
    assert found == [(size, "finetuned", "frozen") for size in (50, 200)]
    for against in whole.contrasts:
        one, other = (
            next(
                row.scores["bleu"].value
                for row in whole.cells
                if (row.size, row.arm) == (against.size, arm)
            )
            for arm in (against.arm, against.other)
        )
        gain = against.gains["bleu"]
        assert gain.mean == pytest.approx(one - other)
        assert gain.low <= gain.mean <= gain.high
        assert gain.p is None  # of one seed


def test_results_come_back_from_their_files(whole: Results, saved: Path, tmp_path: Path) -> None:
    found = load(saved)
    assert found.model_dump() == whole.model_dump() and found.cells == whole.cells
    save(found, tmp_path / "tiny.jsonl")
    for kind in ("jsonl", "json", "npz"):
        one, other = (path.with_suffix(f".{kind}") for path in (saved, tmp_path / "tiny.jsonl"))
        assert one.read_bytes() == other.read_bytes()


def test_a_validation_without_a_finite_loss_comes_back_from_its_file(tmp_path: Path) -> None:
    validations = (Validation(update=20, loss=None, bleu=0.0),)
    save(
        rows.results([], [rows.cell(100, "a", 5.0, validations=validations)]), tmp_path / "it.jsonl"
    )
    assert load(tmp_path / "it.jsonl").cells[0].training.validations == validations


def test_parts_of_an_experiment_are_the_whole(whole: Results, saved: Path, tmp_path: Path) -> None:
    parts = []
    for size in (200, 50):  # what a report has where this size alone is finished
        cells = [row for row in whole.cells if row.size == size]
        part = whole.model_copy(
            update={
                "cells": cells,
                "resamples": {row.cell: whole.resamples[row.cell] for row in cells},
                "unfinished": [str(row.cell) for row in whole.cells if row.size != size],
                "means": [row for row in whole.means if row.size == size],
                "contrasts": [row for row in whole.contrasts if row.size == size],
                "examples": [example for example in whole.examples if example.pairs == size],
            }
        )
        parts.append(tmp_path / f"{size}.jsonl")
        save(part, parts[-1])
    (joined,) = join([load(path) for path in parts])
    save(joined, tmp_path / "tiny.jsonl")
    for kind in ("jsonl", "json", "npz"):
        one, other = (path.with_suffix(f".{kind}") for path in (saved, tmp_path / "tiny.jsonl"))
        assert one.read_bytes() == other.read_bytes(), kind

    file = parts[0].with_suffix(".json")
    changed = json.loads(file.read_text())
    changed["definition"]["model"]["width"] = 32
    file.write_text(json.dumps(changed))
    with pytest.raises(UserError, match="two of the experiments are called tiny, and are not the"):
        join([load(path) for path in parts])


def test_sizes_of_parts_may_alternate() -> None:
    parts = []
    for sizes in ((100, 10_000, "all"), (1000,)):
        cells = [rows.cell(20_000, "random", 5.0, size=size) for size in sizes]
        part = rows.results([rows.mean(5, "random", None, size=size) for size in sizes], cells)
        definition: dict[str, Any] = {"sizes": [100, 1000, 10_000, "all"], "seeds": [1]}
        definition |= {"baseline": "random", "arms": {"random": {}}}
        parts.append(part.model_copy(update={"definition": definition}))
    (joined,) = join(parts)
    assert [row.size for row in joined.cells] == [100, 1000, 10_000, "all"]
    assert [row.size for row in joined.means] == [100, 1000, 10_000, "all"]


def test_cells_of_a_size_may_be_in_several_parts(whole: Results) -> None:
    def part(*arms: str) -> Results:
        cells = [row for row in whole.cells if row.arm in arms]
        if "random" not in arms:
            cells = [row.model_copy(update={"gains": {}, "tests": {}}) for row in cells]
        resamples = {row.cell: whole.resamples[row.cell] for row in cells}
        told = {"cells": cells, "resamples": resamples, "means": [], "contrasts": []}
        return whole.model_copy(update=told)

    (joined,) = join([part("finetuned", "source"), part("random", "frozen", "source")])
    for found, known in ((joined.means, whole.means), (joined.contrasts, whole.contrasts)):
        assert len(found) == len(known)
        for one, other in zip(found, known, strict=True):
            assert _numbers(one) == pytest.approx(_numbers(other))
    assert [(row.cell, row.gains) for row in joined.cells] == [
        (row.cell, row.gains) for row in whole.cells
    ]

    changed = part("random")
    first = changed.cells[0]
    other_score = {"bleu": first.scores["bleu"].model_copy(update={"value": 99.0})}
    other_cell = first.model_copy(update={"scores": first.scores | other_score})
    changed = changed.model_copy(update={"cells": [other_cell, *changed.cells[1:]]})
    with pytest.raises(
        UserError, match="two parts have the cell 50-random-s1, with different scores; delete"
    ):
        join([whole, changed])
    without = part("frozen").model_copy(update={"resamples": {}})
    with pytest.raises(UserError, match=r"cells of size 50; .* each part needs its tiny\.npz"):
        join([part("random"), without])


def _numbers(row: Row) -> dict[str, float]:
    """Return all numbers of a row by their places in it."""
    found: dict[str, float] = {}

    def walk(value: object, where: str) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                walk(each, f"{where}.{key}")
        elif isinstance(value, int | float):
            found[where] = value

    walk(row.model_dump(), "")
    return found


def test_parts_may_differ_in_precision_and_arms_that_are_compared_not(whole: Results) -> None:
    def part(precision: str, *sizes: int, arms: Sequence[str] = whole.arms) -> Results:
        cells = [row for row in whole.cells if row.size in sizes and row.arm in arms]
        training = whole.definition["training"]
        assert isinstance(training, dict)
        told = {
            "definition": whole.definition | {"training": training | {"precision": precision}},
            "cells": [_in(precision, row) for row in cells],
            "means": [row for row in whole.means if row.size in sizes],
        }
        return whole.model_copy(update=told)

    (joined,) = join([part("bfloat16", 50), part("float32", 200)])
    assert precisions(joined.cells) == [
        "Trained in bfloat16 at 50 pairs and in float32 at 200 pairs; comparisons between sizes "
        "mix these precisions."
    ]
    assert precisions(whole.cells) == []
    others = [arm for arm in whole.arms if arm != "random"]
    with pytest.raises(UserError, match="the precision of 50-random-s1 and 50-"):
        join([part("bfloat16", 50, arms=["random"]), part("float32", 50, arms=others)])


def _in(precision: str, row: CellRow) -> CellRow:
    training = row.training.model_copy(update={"precision": precision})
    return row.model_copy(update={"training": training})


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"sizes": [1, 2]}, {"sizes": [1, 3, 2]}, []),
        ({"arms": {"x": {"b": 1}}}, {"arms": {"x": {"b": 2}}}, ["arms.x.b was 1 and is 2"]),
        ({"sizes": [1, 2]}, {"sizes": [1]}, ["sizes: 2 is gone"]),
        ({"arms": {"x": {}, "y": {}}}, {"arms": {"x": {}}}, ["arms.y is gone"]),
    ],
)
def test_a_definition_differs_unless_it_only_adds(
    old: dict[str, Any], new: dict[str, Any], found: list[str]
) -> None:
    assert differences(old, new) == found


def test_comparisons_are_counted_finished_or_not() -> None:
    definition = {
        "sizes": [100, 1000],
        "seeds": [1],
        "baseline": "random",
        "arms": {"random": {}, "tuned": {}, "control": {"sizes": [100]}},
        "contrasts": [["tuned", "control"]],
    }
    design = Design.model_validate(definition)
    assert (design.compared, design.contrasted) == ([2, 1], 1)


def test_results_are_data_frames_in_a_notebook(saved: Path) -> None:
    cells = notebook.cells(saved)
    assert len(cells) == 8 and cells["bleu"].dtype == float
    read = pandas.read_json(saved, lines=True)
    assert list(read["digest"]) == list(cells["digest"])
    means = notebook.means(saved)
    assert list(means.columns[:2]) == ["experiment", "size"] and len(means) == 8


def test_two_cells_are_compared(finished: Run) -> None:
    cells = ["50-random-s1", "50-finetuned-s1"]
    of_cells = ["--experiment", str(finished.file), *finished.places]
    result = call("compare", *cells, *of_cells)
    assert result.returncode == 0, result.stderr
    assert "BLEU" in result.stdout and "nrefs:1" in result.stdout
    assert "not for other seeds" in result.stdout
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
    metrics = {**Scoring().metrics, "ter": Ter()}
    bleu, _, ter = pairwise.of_files(Path(one), Path(other), Path(reference), metrics)
    assert bleu.scores[1] == pytest.approx(100) and bleu.scores[0] < 90
    assert bleu.gain.mean == pytest.approx(bleu.scores[1] - bleu.scores[0])
    low, high = bleu.gain.interval()
    assert 0 < low < bleu.gain.mean < high
    assert bleu.test.bootstrap < 0.01 and bleu.test.randomisation < 0.01
    assert ter.scores[1] == 0 and ter.gain.mean == ter.scores[0] > 0
    (same, *_) = pairwise.of_files(Path(one), Path(one), Path(reference), metrics)
    assert same.gain.interval() == (0, 0)
    assert same.test.bootstrap == same.test.randomisation == same.gain.p == 1
    result = call("compare", one, short, "--reference", reference)
    assert f"{short}: has 39 lines, and {reference} has 40" in result.stderr
    (tmp_path / "latin").write_bytes(b"ein H\xe4uschen\n" * 40)
    result = call("compare", one, str(tmp_path / "latin"), "--reference", reference)
    assert "latin:1: is not UTF-8" in result.stderr.replace("\n", "")
    assert call("compare", one, other).returncode == 2
