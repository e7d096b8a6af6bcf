"""Several test sets: scored from one model, pooled by weights, and added without training."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.experiment import Cell
from nmt_ablation.scoring.bleu import Bleu
from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.resample import compare, resampled
from nmt_ablation.scoring.score import combined, score
from nmt_ablation.stage import Stage
from nmt_ablation.stages.pretrained import Network
from nmt_ablation.stages.training import Train
from tests.conftest import NewRun, Run, call, tiny

BLEU: dict[str, Metric] = {"bleu": Bleu()}
TWO = ("test: 30", "test: {home: {pairs: 20, weight: 3}, away: {source: away.xx, target: away.en}}")
LATER = (
    "test: 30",
    "test: {home: 30, away: {source: away.xx, target: away.en, added: true, weight: 0.5}}",
)
CELLS = ("--cell", "50-random-s1", "--cell", "50-finetuned-s1")
RANDOM = Cell(size=50, arm="random", seed=1)


def write_away(run: Run, seen: bool = False) -> list[tuple[str, str]]:
    """Write a test set of sentences that are the first of the pool, or with words that no corpus
    has."""
    run.workspace.ensure(run.pipeline.sample(50, 1))
    folder = run.workspace.path(run.pipeline.sample(50, 1))
    sides = [(folder / f"train.{it}").read_text().splitlines()[:8] for it in ("xx", "en")]
    pairs = [(one if seen else f"{one} zyx", f"{two} zyx") for one, two in zip(*sides, strict=True)]
    for at, language in enumerate(("xx", "en")):
        (run.file.parent / f"away.{language}").write_text("".join(f"{it[at]}\n" for it in pairs))
    return pairs


def trainings(stage: Stage[object]) -> set[str]:
    """Return the digests of all trainings that a stage needs."""
    return {it.digest for it in stage.ancestors() if isinstance(it, Train | Network)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, mirror: Path, prepared_module: None) -> Run:
    """A run of two arms that are scored on two test sets."""
    folder = tmp_path_factory.mktemp("test-sets")
    write_away(tiny(folder, mirror))
    run = tiny(folder, mirror, TWO)
    result = run.call("run", *CELLS)
    assert result.returncode == 0, result.stderr
    return run


def test_the_pooled_score_is_the_mean_by_weights(two: Run, tmp_path: Path) -> None:
    result = two.call("report", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in (tmp_path / "tiny.jsonl").read_text().splitlines()]
    for row in rows:
        of = {name: it["value"] for name, it in row["scores"].items()}
        for metric in ("bleu", "chrf"):
            mean = (3 * of[f"{metric}@home"] + of[f"{metric}@away"]) / 4
            assert of[metric] == pytest.approx(mean, abs=1e-9)
        assert row["scores"]["bleu"]["signature"].endswith("|mean of home 0.75, away 0.25")
        assert row["test_sentences"] == 28
        assert set(row["tests"]) in (set(), set(of) - {"bits"})
    html = (tmp_path / "tiny.html").read_text()
    assert "Gains by test set" in html and "BLEU, home" not in html
    lines = (tmp_path / "tiny.hypotheses.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["test_set", *["home"] * 20, *["away"] * 8]


def test_nothing_of_any_test_set_is_trained_on(two: Run) -> None:
    """The pairs of `away` are made of pairs of the pool, and so are near-duplicates, no more."""
    record = two.workspace.record(two.pipeline.near_duplicates(50, 1))
    assert record["test"].of == 28
    held_out = two.workspace.path(two.pipeline.hold_out())
    whole = (held_out / "test.en").read_text()
    assert (
        whole == (held_out / "test-home.en").read_text() + (held_out / "test-away.en").read_text()
    )


def test_a_test_set_that_is_added_trains_nothing(new_run: NewRun, finished: Run) -> None:
    run = new_run(LATER)
    pairs = write_away(run)
    before, after = (it.pipeline.score(RANDOM) for it in (finished, run))
    assert trainings(before) == trainings(after) and before != after
    stage = run.pipeline.added_test_set("away")
    run.workspace.ensure(stage)
    assert run.workspace.record(stage).left_out == 0
    assert (run.workspace.path(stage) / "pairs.xx").read_text().split("\n")[0] == pairs[0][0]


def test_what_training_could_see_is_left_out_of_an_added_test_set(new_run: NewRun) -> None:
    run = new_run(LATER)
    write_away(run, seen=True)
    with (
        (run.file.parent / "away.xx").open("a") as xx,
        (run.file.parent / "away.en").open("a") as en,
    ):
        xx.write("zyx zyx\n")
        en.write("a thing of no corpus\n")
    stage = run.pipeline.added_test_set("away")
    run.workspace.ensure(stage)
    record = run.workspace.record(stage)
    assert (record.pairs, record.left_out) == (1, 8)
    write_away(run, seen=True)
    result = run.call("run", *CELLS)
    assert result.returncode == 1
    assert re.search(r"test\.away: training could see each of its 8 sentences", result.stderr)


def test_another_metric_or_tokenizer_trains_nothing(new_run: NewRun, finished: Run) -> None:
    more = "scoring: {metrics: {bleu: {}, intl: {kind: bleu, tokenizer: intl}, ter: {}}}\ndecoding"
    other = new_run(("decoding", more)).pipeline.score(RANDOM)
    before = finished.pipeline.score(RANDOM)
    assert trainings(before) == trainings(other) and before != other


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("{a: {pairs: 5, added: true}}", "pairs drawn from the corpus can't be added later"),
        ("{a: {sacrebleu: wmt20, added: true}}", "one at least must be held out of it"),
        ("{a: {pairs: 5, weight: 0}}", "should be greater than 0"),
        ("{a: 5, a b: 5}", "is not allowed as a name here"),
        ("{}", "an empty set"),
        ("{a: {pears: 5}}", "unknown key 'pears'"),
    ],
)
def test_a_set_that_can_not_be_is_refused(new_run: NewRun, test: str, said: str) -> None:
    result = call("validate", str(new_run(("test: 30", f"test: {test}")).file))
    assert result.returncode == 1
    assert said in result.stderr and "held_out.test" in result.stderr


def test_pooling_makes_intervals_narrower_and_tests_stronger() -> None:
    draw = np.random.default_rng(5)
    words = ["a", "small", "red", "dog", "runs", "over", "the", "green", "field", "and", "sees"]
    references = [[" ".join(draw.choice(words, 9)) for _ in range(80)] for _ in range(4)]
    weights = {f"set{at}": 1.0 for at in range(4)}

    def system(errors: float) -> dict[str, np.ndarray]:
        found = {}
        for name, texts in zip(weights, references, strict=True):
            wrong = [
                " ".join("x" if draw.random() < errors else word for word in text.split())
                for text in texts
            ]
            found[name] = score(BLEU, wrong, texts, texts)
        return dict(combined(BLEU, found, weights)[1])

    one, other = system(0.2), system(0.26)
    drawn = resampled(BLEU, one, weights)
    assert set(drawn) == {"bleu", *(f"bleu@{name}" for name in weights)}
    alone = [drawn[f"bleu@{name}"] for name in weights]
    assert drawn["bleu"] == pytest.approx(np.mean(alone, axis=0))
    # Sets are resampled apart, so that the mean of four varies half as much.
    assert np.corrcoef(alone[0][1:], alone[1][1:])[0, 1] == pytest.approx(0, abs=0.1)
    ratio = drawn["bleu"][1:].std() / np.mean([it[1:].std() for it in alone])
    assert ratio == pytest.approx(0.5, abs=0.05)
    tests = compare(BLEU, other, one, weights)
    for key in ("bootstrap", "randomisation"):
        of_sets = [getattr(tests[f"bleu@{name}"], key) for name in weights]
        assert getattr(tests["bleu"], key) < min(0.01, np.median(of_sets))
    same = compare(BLEU, one, one, weights)["bleu"]
    assert same.bootstrap == same.randomisation == 1
