"""Predictions are declared with the experiment, and the report says which held."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from nmt_ablation.report import markdown, tables
from nmt_ablation.report.sentences import predictions
from nmt_ablation.results.design import differences
from nmt_ablation.results.results import Results
from nmt_ablation.results.verdict import judge_predictions
from tests import rows
from tests.conftest import NewRun, call
from tests.rows import CELLS, MEANS


def predicted(*asked: dict[str, object]) -> Results:
    """Return results whose arm is better at 100 pairs, not decided at 1,000 and worse at 9,000."""
    contrasts = [rows.contrast(100, "tuned", "frozen", 2.0, 0.001)]
    found = rows.results(MEANS, CELLS, contrasts=contrasts)
    return found.model_copy(update={"definition": found.definition | {"predictions": list(asked)}})


def test_a_prediction_holds_is_refuted_or_is_not_decided() -> None:
    found = predicted({"arm": "tuned", "expected": "better"})
    assert [(it.row.pairs, it.outcome) for it in judge_predictions(found)] == [
        (100, "held"),
        (1000, "not decided"),
        (9000, "refuted"),
    ]
    assert predictions(found) == "Declared predictions: held 1, refuted 1, not decided 1."
    text = markdown.render(tables.predictions(found))
    assert "| tuned | random | 100 | better | ▲ +4.0 | held |" in text
    assert "| tuned | random | 9,000 | better | ▼ -2.0 | refuted |" in text


def test_it_may_be_of_some_sizes_and_of_a_contrast() -> None:
    found = predicted(
        {"arm": "tuned", "expected": "worse", "sizes": [9000]},
        {"arm": "tuned", "expected": "better", "than": "frozen"},
    )
    assert [(it.other, it.row.pairs, it.outcome) for it in judge_predictions(found)] == [
        ("random", 9000, "held"),
        ("frozen", 100, "held"),
    ]


def test_without_predictions_nothing_is_said() -> None:
    found = rows.results(MEANS, CELLS)
    assert predictions(found) == "" and not tables.predictions(found).lines


def test_predictions_that_come_later_make_another_definition() -> None:
    one: dict[str, JsonValue] = {"arm": "tuned", "expected": "better"}
    other: dict[str, JsonValue] = {**one, "than": "frozen"}
    none: dict[str, JsonValue] = {"name": "x"}
    some: dict[str, JsonValue] = {"predictions": [one]}
    more: dict[str, JsonValue] = {"predictions": [one, other]}
    assert differences(none, none | some) == ["predictions were added"]
    (said,) = differences(some, more)
    assert said.startswith("predictions was ")


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        ("{arm: finetuned, expected: good}", "better"),
        ("{arm: tuned, expected: better}", "tuned is not compared with random"),
        (
            "{arm: finetuned, than: source, expected: better}",
            r"add [finetuned, source] to contrasts",
        ),
        ("{arm: frozen, than: finetuned, expected: worse}", "write it that way round"),
        ("{arm: frozen, expected: worse, sizes: [999]}", "don't both have the size 999"),
    ],
)
def test_a_prediction_of_what_is_not_compared_is_refused(
    new_run: NewRun, tmp_path: Path, prediction: str, said: str
) -> None:
    more = f"contrasts: [[finetuned, frozen]]\npredictions: [{prediction}]\nmodel:"
    result = call("validate", str(new_run(("model:", more)).file))
    assert result.returncode == 1
    assert said in result.stderr and "predictions.0" in result.stderr
