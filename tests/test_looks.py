"""Seeds are added one by one: what is decided when, how often falsely, and what is trained next."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.experiment import Cell
from nmt_ablation.results.dunnett import corrected, level
from nmt_ablation.results.looks import NextCells, next_cells
from nmt_ablation.results.means import Evidence, contrast, summarise
from nmt_ablation.results.rows import ContrastRow, MeanRow
from tests.conftest import NewRun, Run, call, two_arms
from tests.simulated import COUNTS, LOOKS, MEASURES, SMALLEST, evidence


def compared(found: Sequence[MeanRow]) -> dict[tuple[int, str], MeanRow]:
    return {(row.pairs, row.arm): row for row in found if row.gains}


def test_more_looks_and_more_arms_lower_the_level() -> None:
    levels = [level(0.05, arms, looks) for arms in ((1,), (5,)) for looks in ((3,), (3, 4), COUNTS)]
    assert levels[0] > levels[1] > levels[2] > levels[5]
    assert levels[3] > levels[4] > levels[5]


@pytest.mark.parametrize("arms", [(1,), (3, 3)])
def test_p_after_correction_is_below_a_level_just_where_p_is(arms: tuple[int, ...]) -> None:
    for alpha in (0.05, 0.01):
        bound = level(alpha, arms, COUNTS)
        assert corrected(bound * (1 - 1e-9), arms, COUNTS) < alpha <= corrected(bound, arms, COUNTS)


def test_arms_that_do_not_differ_are_seldom_called_better_or_worse_at_any_look() -> None:
    draw, false = np.random.default_rng(11), 0
    for _ in range(500):
        found = summarise(evidence([[0, 0, 0], [0, 0, 0]], 0.5, draw), "r", [3, 3])
        false += any(row.gains["bleu"].significant for row in found if row.gains)
    assert false / 500 <= 0.065


def test_looking_without_a_rule_errs_more() -> None:
    """At each look, p is as if it were the only one: what the rule is for."""
    draw, false = np.random.default_rng(3), 0
    for _ in range(200):
        whole = evidence([[0, 0, 0], [0, 0, 0]], 0.5, draw)
        some = ([it for it in whole.rows if it.seed <= look] for look in COUNTS)
        looked = (Evidence(it, whole.resamples, MEASURES, SMALLEST) for it in some)
        false += any(
            row.gains["bleu"].significant
            for it in looked
            for row in summarise(it, "r", [3, 3])
            if row.gains
        )
    assert false / 200 > 0.09


def test_arms_are_decided_as_they_are_and_early_where_they_differ_much() -> None:
    draw = np.random.default_rng(5)
    verdicts: dict[str, list[tuple[str, int]]] = {"a": [], "b": [], "c": []}
    for _ in range(60):
        for row in summarise(evidence([[4.0, 0.0, -2.0]], 0.3, draw), "r", [3]):
            if row.gains:
                verdicts[row.arm].append((row.gains["bleu"].verdict, row.seeds))
    for arm, verdict in (("a", "better"), ("b", "equivalent"), ("c", "worse")):
        assert np.mean([found == verdict for found, _ in verdicts[arm]]) > 0.95
    seeds = {arm: np.mean([seeds for _, seeds in of]) for arm, of in verdicts.items()}
    assert seeds["a"] < seeds["c"] < 4 and seeds["a"] < seeds["b"]


def test_what_a_look_decides_stays_and_keeps_its_numbers() -> None:
    whole = evidence([[5.0, 0.4]], 0.3, np.random.default_rng(1))
    at_2 = Evidence(
        [it for it in whole.rows if it.seed <= 2], whole.resamples, MEASURES, SMALLEST, LOOKS
    )
    for found in (summarise(whole, "r", [2]), summarise(at_2, "r", [2])):
        decided = compared(found)[100, "a"]
        assert (decided.seeds, decided.gains["bleu"].verdict) == (2, "better")
    before, after = (compared(summarise(it, "r", [2]))[100, "a"] for it in (at_2, whole))
    assert before == after
    assert compared(summarise(at_2, "r", [2]))[100, "b"].gains["bleu"].verdict == "open"


def test_between_looks_nothing_is_decided_anew() -> None:
    """Five seeds are there, of which the looks at 2, 3 and 4 see four."""
    whole = evidence([[0.9, 0.9]], 1.0, np.random.default_rng(2), seeds=5)
    until_4 = Evidence(
        [it for it in whole.rows if it.seed <= 4], whole.resamples, MEASURES, SMALLEST, LOOKS
    )
    assert compared(summarise(whole, "r", [2])) == compared(summarise(until_4, "r", [2]))
    one = Evidence(
        [it for it in whole.rows if it.seed == 1], whole.resamples, MEASURES, SMALLEST, LOOKS
    )
    (first, *_) = compared(summarise(one, "r", [2])).values()
    assert first.gains["bleu"].p is None


def test_intervals_are_those_of_the_look_and_agree_with_p() -> None:
    draw = np.random.default_rng(7)
    for _ in range(40):
        found = evidence([[1.0, 0.5]], 0.5, draw)
        for row in (*summarise(found, "r", [2]), *contrast(found, [("a", "b")], 1)):
            for gain in row.gains.values():
                low, high = gain.interval
                assert gain.significant == (low > 0 or high < 0)


def _blocks(gains: Sequence[Sequence[float]], contrasts: bool = False) -> Iterator[NextCells]:
    """Yield the blocks that are trained one after another, with the true scores of the cells."""
    whole = evidence(gains, 0.3, np.random.default_rng(4))
    sizes, arms = [100 * at for at, _ in enumerate(gains, 1)], "abcdef"[: len(gains[0])]
    asked = [(size, arm, "r") for size in sizes for arm in arms]
    pairs = [("a", "b")] if contrasts else []
    asked += [(size, *both) for size in sizes for both in pairs]
    trained = set[Cell]()
    while True:
        some = [it for it in whole.rows if it.cell in trained]
        now = Evidence(some, whole.resamples, MEASURES, SMALLEST, LOOKS)
        found: list[MeanRow | ContrastRow] = []
        if some:
            found += summarise(now, "r", [len(arms)] * len(sizes))
            found += contrast(now, pairs, len(pairs) * len(sizes))
        block = next_cells(found, asked, LOOKS, "r")
        if block is None:
            return
        yield block
        trained |= {
            Cell(size=size, arm=arm, seed=seed)
            for size, of_size in block.arms.items()
            for arm in of_size
            for seed in range(1, block.look + 1)
        }


def test_a_block_is_the_baseline_and_the_arms_that_are_open() -> None:
    blocks = list(_blocks([[6.0, 0.6], [6.0, 6.0]]))
    assert blocks[0] == NextCells(2, {100: ["r", "a", "b"], 200: ["r", "a", "b"]})
    assert [it.look for it in blocks] == list(COUNTS)
    assert all(it.arms == {100: ["r", "b"]} for it in blocks[2:])


def test_all_decided_nothing_is_left_to_train() -> None:
    assert len(list(_blocks([[9.0, -9.0]]))) < len(COUNTS)


def test_a_contrast_that_is_open_keeps_both_of_its_arms() -> None:
    both = {100: ["r", "a", "b"]}
    alone, together = (list(_blocks([[6.0, 6.6]], contrasts=it)) for it in (False, True))
    assert len(together) > len(alone)
    assert all(it.arms == both for it in together)


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory, mirror: Path, prepared_module: None) -> Run:
    """A run until all is decided, or three seeds are there."""
    run = two_arms(tmp_path_factory.mktemp("looks"), mirror, "{looks: [2, 3], smallest_gain: 0.01}")
    result = run.call("run", "--until-decided")
    assert result.returncode == 0, result.stderr
    assert "Looks are at 2, 3 seeds." in result.stderr
    assert (
        "Next look, at 2 seeds: 0 of 1 comparisons are decided so far; this look needs 4 cells."
        in (result.stderr)
    )
    return run


def test_it_runs_until_all_is_decided_and_says_so(looked: Run, tmp_path: Path) -> None:
    rule = json.loads((looked.workspace_root / "tiny" / "looks.json").read_text())
    assert rule["boundary"] == level(0.05, (1,), (2, 3)) and rule["compared"] == [1]
    again = looked.call("run", "--until-decided")
    assert again.returncode == 0 and "of 1 comparisons are decided" in again.stderr
    result = looked.call("report", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert (
        "A comparison ends at the look that decides it: there its p before correction is below"
        in (result.stdout)
    )
    (row,) = [it for it in json.loads((tmp_path / "tiny.json").read_text())["means"] if it["gains"]]
    decided = row["gains"]["bleu"]["p"] < 0.05 or row["gains"]["bleu"]["equivalent"]
    assert row["seeds"] == (2 if decided else 3)
    drawn = call("draw", str(tmp_path / "tiny.jsonl"), "--out", str(tmp_path / "again"))
    assert drawn.returncode == 0, drawn.stderr
    for kind in ("json", "means.csv"):
        one, other = (tmp_path / f"tiny.{kind}", tmp_path / "again" / f"tiny.{kind}")
        assert one.read_text() == other.read_text()


def test_a_rule_that_changes_on_the_way_is_refused(looked: Run) -> None:
    changed = Run(looked.file.parent / "changed.yaml", looked.workspace_root, looked.mirror)
    for old, new, said in (
        ("[2, 3]", "[2]", "this experiment began with looks (2, 3), and"),
        ("smallest_gain: 0.01", "smallest_gain: 5.0", "began with smallest_gain 0.01"),
    ):
        changed.file.write_text(looked.file.read_text().replace(old, new))
        result = changed.call("run", "--until-decided")
        assert result.returncode == 1 and said in result.stderr


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("{looks: [3, 2]}", "looks are numbers of seeds in ascending order"),
        ("{looks: [1, 2]}", "greater than or equal to 2"),
        ("{looks: [2, 9]}", "the last look is at 9 seeds, and there are 3; list as many"),
        ("{smallest_gain: 2.0}", "declares no looks; write the numbers of seeds"),
    ],
)
def test_looks_that_can_not_be_are_refused(
    tmp_path: Path, mirror: Path, verdict: str, said: str
) -> None:
    result = two_arms(tmp_path, mirror, verdict).call("run", "--until-decided")
    assert result.returncode == 1 and said in result.stderr


def test_cells_are_not_chosen_twice(new_run: NewRun) -> None:
    result = new_run().call("run", "--until-decided", "--size", "50")
    assert result.returncode == 1 and "chooses the cells itself" in result.stderr
