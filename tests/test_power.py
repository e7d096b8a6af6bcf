"""An experiment finds what was said beforehand that it would."""

import re
from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.experiment import Cell
from nmt_ablation.plan import USUAL_SPREAD
from nmt_ablation.results.files import load
from nmt_ablation.results.looks import Looks
from nmt_ablation.results.means import Evidence, summarise
from nmt_ablation.results.power import Plan, power, spread_of
from tests.conftest import NewRun, Run
from tests.simulated import COUNTS, LOOKS, MEASURES, SMALLEST, evidence


@pytest.mark.parametrize("looks", [LOOKS, None], ids=["looks", "once"])
def test_what_is_found_is_what_was_said_beforehand(looks: Looks | None) -> None:
    counts, spread, gain = (COUNTS if looks else (4,)), 0.5, 1.2
    said = power(Plan([2, 2], counts, spread, SMALLEST["bleu"]), gain)
    draw, found, seeds, cells = np.random.default_rng(9), list[str](), list[int](), list[int]()
    for _ in range(250):
        whole = evidence([[gain, gain], [gain, gain]], spread, draw, seeds=counts[-1])
        judged = Evidence(whole.rows, whole.resamples, MEASURES, SMALLEST, looks)
        rows = [row for row in summarise(judged, "r", [2, 2]) if row.gains]
        found += [row.gains["bleu"].verdict for row in rows]
        seeds += [row.seeds for row in rows]
        of_sizes = [[row.seeds for row in rows if row.size == size] for size in (100, 200)]
        cells.append(sum(sum(it) + max(it) for it in of_sizes))
    assert np.mean([it == "better" for it in found]) == pytest.approx(said.better, abs=0.06)
    assert np.mean([it == "open" for it in found]) == pytest.approx(said.undecided, abs=0.06)
    assert np.mean(seeds) == pytest.approx(said.seeds, rel=0.06)
    assert np.mean(cells) == pytest.approx(said.cells, rel=0.06)


def test_more_seeds_and_less_spread_find_more() -> None:
    some = [power(Plan([3], (seeds,), 0.5, 1.0), 1.0).better for seeds in (2, 4, 8)]
    assert some == sorted(some) and some[-1] > 0.85
    assert power(Plan([3], (4,), 0.25, 1.0), 1.0).better > some[1]


def test_each_comparison_may_have_a_gain_of_its_own() -> None:
    plan = Plan([2, 1], (3, 6), 0.3, 1.0)
    found = power(plan, [4.0, -4.0, 0.0])
    assert found.better == pytest.approx(1 / 3, abs=0.01)
    assert found.worse == pytest.approx(1 / 3, abs=0.01)
    assert found.equivalent > 0.25
    assert found.of_sizes[0] == pytest.approx(9, abs=0.1) and 6 < found.of_sizes[1] < 12


def test_without_a_smallest_gain_nothing_is_equivalent() -> None:
    assert power(Plan([3], (8,), 0.2, None), 0.0).equivalent == 0


def test_the_spread_is_that_of_scores_without_what_seeds_share() -> None:
    draw, scores = np.random.default_rng(2), {}
    for seed in range(40):
        shared = 5 * draw.normal()
        for arm in "abc":
            scores[Cell(size=9, arm=arm, seed=seed)] = shared + 0.3 * draw.normal()
    assert spread_of(scores) == pytest.approx(0.3, rel=0.15)
    assert spread_of({}) is None
    assert spread_of(dict(list(scores.items())[:3])) is None


def test_the_usual_spread_is_that_of_the_published_captions() -> None:
    for part in ("study-strong", "study-weak"):
        cells = load(Path(__file__).parents[1] / f"docs/results/study/parts/{part}.jsonl").cells
        spread = spread_of({row.cell: row.scores["bleu"].value for row in cells})
        assert spread == pytest.approx(USUAL_SPREAD, abs=0.05)


def test_plan_says_what_can_be_found_at_which_cost(new_run: NewRun, finished: Run) -> None:
    assert "Power: none, as one seed decides nothing" in finished.call("plan").stdout
    more = ("seeds: [1]", "seeds: [1, 2, 3, 4]"), ("decoding", "verdict: {looks: [2, 4]}\ndecoding")
    said = new_run(*more).call("plan").stdout
    assert (
        "Power, if the standard deviation is 0.40 BLEU from seed to seed, as in the captions of"
        in said
    )
    assert re.search(r"^ +0\.00 +\d+% +\d+% +\d+% +[\d.]+ +\d+$", said, re.MULTILINE)
    # Two sizes, four arms, and two to four seeds.
    assert "Until decided: 16 to 32 cells; " in said
