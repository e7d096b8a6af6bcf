"""Experiment files: each mistake is a message with file, line and what is allowed."""

from pathlib import Path

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import READY_MADE, Arm
from nmt_ablation.experiment_file import load
from tests.conftest import COMPARED, TINY

ROOT = Path(__file__).parents[1]

MISTAKES = {
    "unknown key": ("patience: 2", "pateince: 2", 25, "did you mean 'patience'.*allowed: batch"),
    "wrong type": ("max_updates: 60", "max_updates: lots", 23, "valid integer"),
    "no truth value": ("beam: 2", "beam: true", 26, "valid integer"),
    "odd size": (
        "[50, 200]",
        "[50, 2x]",
        7,
        "a number of pairs .500, 5k, 1M., of tokens .* or all",
    ),
    "negative size": ("[50, 200]", "[-3, 200]", 7, "greater than 0"),
    "size twice": ("[50, 200]", "[50, 50]", 7, "stands here twice"),
    "scale of nothing": ("{vectors: word2vec, tuning: frozen}", "{scale: raw}", 14, "names none"),
    "unknown vectors": ("frozen: {vectors: word2vec,", "frozen: {vectors: x,", 14, "allowed: word"),
    "unknown baseline": ("baseline: random", "baseline: rnd", 17, "allowed: random, frozen"),
    "baseline with vectors": ("baseline: random", "baseline: frozen", 17, "must have none"),
    "missing key": ("baseline: random\n", "", 1, "the key 'baseline' is missing"),
    "heads": ("heads: 2", "heads: 3", 18, "width 16 is no multiple of heads 3"),
    "name outside": ("name: tiny", "name: ../../tmp/x", 1, "is no name that is allowed"),
    "name with a slash": ("  random: {}", "  ran/dom: {}", 13, "is no name that is allowed"),
    "name for a shell": ("  random: {}", "  $(reboot): {}", 13, "is no name that is allowed"),
    "size in two units": ("[50, 200]", "[50, 2k tokens]", 7, "some are pairs and some tokens"),
    "corpus twice": ("parallel: [Syn", "parallel: [Synthetic/v1, Syn", 4, "stands here twice"),
    "score of xml": (
        "parallel: [Synthetic/v1]",
        "parallel: [{corpus: A/v1, format: xml, min_score: 1.0}]",
        4,
        "needs format moses",
    ),
    "file and name of a test set": (
        "test: 30",
        "test: {source: a, target: b, sacrebleu: wmt20}",
        6,
        "not both",
    ),
    "pair swapped": (
        "parallel: [Synthetic/v1]",
        "parallel: [{corpus: A/v1, pair: en-xx}]",
        4,
        "swaps source and target",
    ),
    "contrast with whom": ("[[finetuned, frozen]]", "[[finetuned, x]]", 27, "no arm is called 'x'"),
    "contrast with itself": ("[[finetuned, frozen]]", "[[frozen, frozen]]", 27, "two arms"),
    "contrast with all": ("[[finetuned, frozen]]", "[[frozen, random]]", 27, "neither of them the"),
    "vectors of nothing": ("word2vec: {epochs: 2}", "word2vec:", 11, "write keys and values"),
    "vectors of a name": (
        "word2vec: {epochs: 2}",
        "word2vec: x",
        11,
        "write keys and values",
    ),
    "no look": ("max_updates: 60", "max_updates: 19", 19, "ends before the first look"),
    "two sets for one table": (
        "{vectors: word2vec}",
        "{vectors: word2vec, tying: all}",
        15,
        "two sets, one for each side",
    ),
    "version outside": ("[Synthetic/v1]", "[Synthetic/../../x]", 4, "is no corpus"),
    "version of dots": ("[Synthetic/v1]", "[Synthetic/..]", 4, "is no name that is allowed"),
    "pair outside": ("pair: xx-en", "pair: ../xx-en", 2, "is no pair"),
    "same language": ("pair: xx-en", "pair: en-en", 2, "same language"),
    "half a file pair": ("{valid: 20,", "{valid: {source: a},", 6, "both source and target"),
    "no monolingual text": ("  monolingual: [Synthetic/v1]\n", "", 10, "needs text"),
    "not YAML": ("pair: xx-en", "pair: [xx-en", 3, "is not YAML"),
    "seed too large": ("seeds: [1]", "seeds: [4294967296]", 8, "less than 2147483648"),
    "key twice": ("seeds: [1]", "seeds: [1]\nseeds: [2]", 9, "duplicate key"),
    "an arm's size": ("tuning: frozen}", "sizes: [50, 1k]}", 14, "1000 is none of the experiment"),
    "baseline's sizes": ("random: {}", "random: {sizes: [50]}", 13, "compared with at all sizes"),
    "thawed and when": ("tuning: frozen}", "tuning: thawed}", 14, "thaw_at goes with"),
    "frozen and learning": (
        "{vectors: word2vec, tuning: frozen}",
        "{vectors: word2vec, tuning: frozen, learning_rate: 0.1}",
        14,
        "no learning rate",
    ),
    "a side of nothing": ("  random: {}", "  random: {side: source}", 13, "neither does"),
    "tied and projected": (
        "{vectors: word2vec}",
        "{vectors: word2vec, tying: decoder, dimension: projection}",
        15,
        "can't be tied",
    ),
    "one table, one side": (
        "{vectors: word2vec}",
        "{vectors: word2vec, tying: all, side: source}",
        15,
        "side must be both",
    ),
    "frozen and tied": (
        "heads: 2}",
        "heads: 2, tying: decoder}",
        14,
        "is the output layer too",
    ),
}


@pytest.mark.parametrize(("old", "new", "line", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in COMPARED
    file = tmp_path / "bad.yaml"
    file.write_text(COMPARED.replace(old, new, 1))
    with pytest.raises(UserError, match=says) as raised:
        load(file)
    assert f"{file}:{line}:" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is a mapping"),
        (b"- a\n", "is a mapping"),
        (b"a: 1\nb: \xff\n", "bad.yaml:2: is not UTF-8"),
        (b"a: !!python/object:os.system {}\n", "bad.yaml:1"),
        (b"\tname: x\n", "is not YAML"),
        (b"name: &a {b: *a}\n", "valid string"),
    ],
)
def test_what_is_no_experiment_at_all_is_said(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=says):
        load(file)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        load(tmp_path / "none.yaml")


def test_sizes_may_be_abbreviated_and_cells_come_smallest_first(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text(TINY.replace("[50, 200]", "[all, 1.5k, 1M, 20, 16.1k]"))
    sizes = [cell.size for cell in load(file).experiment.cells()]
    assert list(dict.fromkeys(sizes)) == [20, 1500, 16_100, 1_000_000, "all"]


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda p: p.name)
def test_recipes_are_valid(recipe: Path) -> None:
    assert load(recipe).experiment.name == recipe.stem


def test_one_table_for_both_sides_needs_one_dictionary(tmp_path: Path) -> None:
    text = TINY.replace("fit_on: monolingual", "fit_on: monolingual, joint: false")
    file = tmp_path / "bad.yaml"
    file.write_text(text.replace("random: {}", "random: {tying: all}"))
    with pytest.raises(
        UserError, match=r"bad\.yaml:13: arms\.random: tying: all needs one dictionary"
    ):
        load(file)


ARMS = TINY[TINY.index("arms:") : TINY.index("baseline:")]


def test_the_usual_arms_and_the_controls_have_names(tmp_path: Path) -> None:
    file = tmp_path / "named.yaml"
    file.write_text(TINY.replace(ARMS, f"arms: [{', '.join(READY_MADE)}]\n"))
    arms = load(file).experiment.arms
    assert list(arms) == list(READY_MADE)
    assert arms["random"] == Arm()
    assert arms["frozen-random"] == Arm(tuning="frozen")
    assert arms["frozen"] == Arm(vectors="word2vec", tuning="frozen")
    assert arms["shuffled"] == Arm(vectors="word2vec", shuffled=True)
    assert arms["source-only"] == Arm(vectors="word2vec", side="source")


@pytest.mark.parametrize(
    ("vectors", "arms", "says"),
    [
        ("word2vec: {epochs: 2}", "[random,\n  finetund]", r":13: .*did you mean 'finetuned'"),
        ("a: {epochs: 2}\n  b: {epochs: 3}", "[random,\n  frozen]", ":14: .* there are 2; write"),
    ],
)
def test_arms_that_no_name_stands_for_are_refused(
    tmp_path: Path, vectors: str, arms: str, says: str
) -> None:
    file = tmp_path / "named.yaml"
    text = TINY.replace("word2vec: {epochs: 2}", vectors)
    file.write_text(text.replace(ARMS, f"arms: {arms}\n"))
    with pytest.raises(UserError, match=says):
        load(file)


def test_cells_are_chosen_by_name_and_by_size(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("[50, 200]", "[50, 2k, all]"))
    loaded = load(file)
    chosen = loaded.choose(["all-frozen-s1"], ["2k", "50"])
    assert [str(cell) for cell in chosen] == [
        *(f"{size}-{arm}-s1" for size in (50, 2000) for arm in loaded.experiment.arms),
        "all-frozen-s1",
    ]
    assert loaded.choose([], []) == loaded.experiment.cells()


def test_an_arm_may_be_trained_at_some_sizes_only(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(TINY.replace("frozen: {", "frozen: {sizes: [200], ", 1))
    cells = load(file).experiment.cells()
    assert len(cells) == 7
    assert [cell.size for cell in cells if cell.arm == "frozen"] == [200]
