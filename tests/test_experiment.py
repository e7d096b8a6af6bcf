"""Experiment files: each mistake is a message with file, line and what is allowed."""

from pathlib import Path

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import READY_MADE, Arm
from nmt_ablation.experiment.file import load
from nmt_ablation.model.parts import PartName
from nmt_ablation.transfer.tuning import TUNINGS, Ways
from tests.conftest import COMPARED, TINY

ROOT = Path(__file__).parents[1]

SEGMENTATION = "{type: sentencepiece-unigram, size: 300, fit_on: monolingual}"
THING = "word2vec: {kind: word2vec, epochs: 2}"
DATA = TINY[TINY.index("monolingual:") : TINY.index("arms:")]
ONE_SIDED = (
    DATA.replace("[Synthetic/v1]", "{source: [A/v1]}")
    .replace(SEGMENTATION, "{type: words, size: 300, fit_on: pool}")
    .replace(f"  {THING}\n", "")
)
"""DATA with text of one language, and nothing pretrained yet."""
FROZEN = "{start: {embeddings: word2vec}, tuning: {embeddings: frozen}}"
FINETUNED = "finetuned: {start: {embeddings: word2vec}}"
MODEL = "model: {encoder_layers: 1, decoder_layers: 1, dimension: 16,"

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
    "scale of nothing": (FROZEN, "{scale: raw}", 14, "scale: is for arms that start from vectors"),
    "control of nothing": (
        "random: {}",
        "random: {control: shuffled}",
        13,
        "no embeddings of this arm start",
    ),
    "unknown pretrained": (
        "frozen: {start: {embeddings: word2vec}",
        "frozen: {start:\n   {embeddings: x}",
        15,
        "nothing pretrained is called 'x'; allowed: word2vec",
    ),
    "start of an unknown part": (
        FINETUNED,
        "finetuned: {start: {embedings: word2vec}}",
        15,
        "Input should be 'source-embeddings', 'target-embeddings',",
    ),
    "start of a part that it has nothing for": (
        FINETUNED,
        "finetuned: {start:\n   {encoder: word2vec}}",
        15,
        "encoder-layers can't start from .* parts that can: source-embeddings, target-embeddings",
    ),
    "start of one part twice": (
        FINETUNED,
        "finetuned: {start: {embeddings: word2vec, source-embeddings: word2vec}}",
        15,
        "two keys name one part",
    ),
    "start of no part": (FINETUNED, "finetuned: {start: word2vec}", 15, "{embeddings: word2vec}"),
    "kind unknown": (
        THING,
        "word2vec:\n    kind: word2vek",
        12,
        "'word2vek' is no kind of pretrained thing; allowed: word2vec, fasttext, vectors,",
    ),
    "kind of several": (THING, "word2vec: {kind: [word2vec]}", 11, "is no kind of pretrained"),
    "kind missing": (THING, "word2vec: {epochs: 2}", 11, "write what it is"),
    "key of another kind": (
        THING,
        "word2vec:\n    kind: word2vec\n    source: a.vec",
        13,
        "unknown key 'source'",
    ),
    "negative value of a kind": (
        THING,
        "word2vec:\n    kind: word2vec\n    epochs: -2",
        13,
        "pretrained.word2vec.epochs: Input should be greater than 0",
    ),
    "key of a kind missing": (
        THING,
        "word2vec: {kind: vectors, source: a.vec}",
        11,
        "the key 'target' is missing",
    ),
    "lexicon of subwords": (
        THING,
        "word2vec:\n    kind: word2vec\n    align:\n      {lexicon: identical}",
        14,
        "subwords stand in no lexicon",
    ),
    "alignment of one side": (
        DATA,
        f"{ONE_SIDED}  word2vec:\n    kind: word2vec\n    align: {{lexicon: identical}}\n",
        13,
        "text of one side only, so there is nothing to align",
    ),
    "one set of one language": (
        DATA,
        f"{ONE_SIDED}  word2vec:\n    kind: word2vec\n    joint: true\n",
        13,
        "text of one language only; leave joint out",
    ),
    "a checkpoint's embeddings on other subwords": (
        THING,
        "word2vec: {kind: checkpoint, path: bert}",
        11,
        "are of its own subwords; set segmentation to",
    ),
    "a checkpoint's tokenizer alone": (
        SEGMENTATION,
        "{type: checkpoint, size: 300, fit_on: pool}",
        9,
        "goes with checkpoint: NAME",
    ),
    "the tokenizer of what is no checkpoint": (
        SEGMENTATION,
        "\n  {type: checkpoint, checkpoint: word2vec, size: 300, fit_on: pool}",
        10,
        "no checkpoint is called 'word2vec'; name it under pretrained",
    ),
    "alignment of one set": (
        THING,
        "word2vec:\n    kind: word2vec\n    joint: true\n    align: {lexicon: induced}",
        14,
        "in one space already",
    ),
    "unknown baseline": ("baseline: random", "baseline: rnd", 17, "allowed: random, frozen"),
    "baseline with a start": ("baseline: random", "baseline: frozen", 17, "must have none"),
    "missing key": ("baseline: random\n", "", 1, "the key 'baseline' is missing"),
    "heads": ("heads: 2", "heads: 3", 18, "dimension 16 is no multiple of heads 3"),
    "name outside": ("name: tiny", "name: ../../tmp/x", 1, "is not allowed as a name"),
    "name with a slash": ("  random: {}", "  ran/dom: {}", 13, "is not allowed as a name"),
    "name for a shell": ("  random: {}", "  $(reboot): {}", 13, "is not allowed as a name"),
    "size in two units": ("[50, 200]", "[50, 2k tokens]", 7, "some count pairs and some tokens"),
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
    "contrast with all": (
        "[[finetuned, frozen]]",
        "[[frozen, random]]",
        27,
        "two arms other than the",
    ),
    "pretrained of nothing": (THING, "word2vec:", 11, "write what it is, and its keys"),
    "pretrained of a name": (THING, "word2vec: x", 11, "kinds: word2vec, fasttext, vectors, check"),
    "no validation": ("max_updates: 60", "max_updates: 19", 19, "ends before the first validation"),
    "two sets for one matrix": (
        FINETUNED,
        "finetuned: {start: {embeddings: word2vec}, tying: all}",
        15,
        "'word2vec' has two sets of vectors, one for each side",
    ),
    "version outside": ("[Synthetic/v1]", "[Synthetic/../../x]", 4, "is no corpus"),
    "version of dots": ("[Synthetic/v1]", "[Synthetic/..]", 4, "is not allowed as a name"),
    "pair outside": ("pair: xx-en", "pair: ../xx-en", 2, "is no pair"),
    "same language": ("pair: xx-en", "pair: en-en", 2, "same language"),
    "half a file pair": ("{valid: 20,", "{valid: {source: a},", 6, "both source and target"),
    "no monolingual text": ("  monolingual: [Synthetic/v1]\n", "", 10, "needs text: name corpora"),
    "no text to fit on": ("fit_on: monolingual", "fit_on: sample", 11, "segmented once"),
    "text of no side": ("monolingual: [Synthetic/v1]", "monolingual: {}", 5, "under both"),
    "text of half a corpus": (
        "monolingual: [Synthetic/v1]",
        "monolingual:\n    source: [A/v1, A/v1]",
        6,
        "stands here twice",
    ),
    "text of one language to fit both on": (
        "monolingual: [Synthetic/v1]",
        "monolingual: {source: [A/v1]}",
        9,
        "needs text of both languages",
    ),
    "text of neither form": (
        "monolingual: [Synthetic/v1]",
        "monolingual: remainder",
        5,
        "monolingual",
    ),
    "not YAML": ("pair: xx-en", "pair: [xx-en", 3, "is not YAML"),
    "seed too large": ("seeds: [1]", "seeds: [4294967296]", 8, "less than 2147483648"),
    "key twice": ("seeds: [1]", "seeds: [1]\nseeds: [2]", 9, "duplicate key"),
    "an arm's size": (
        "frozen: {start",
        "frozen: {sizes: [50, 1k], start",
        14,
        "1000 is none of the experiment",
    ),
    "baseline's sizes": ("random: {}", "random: {sizes: [50]}", 13, "the baseline needs all sizes"),
    "tuning of an unknown part": (
        "tuning: {embeddings: frozen}",
        "tuning: {tables: frozen}",
        14,
        "Input should be 'source-embeddings', 'target-embeddings',",
    ),
    "tuning of no part": (
        "tuning: {embeddings: frozen}",
        "tuning: frozen",
        14,
        "say of which part: tuning: {embeddings: frozen}",
    ),
    "a word of tuning misspelled": (
        "tuning: {embeddings: frozen}",
        "tuning: {embeddings: frozn}",
        14,
        "'frozn' is no way of tuning; allowed: frozen, fine-tuned, or .*rate: 0.1",
    ),
    "a way of tuning misspelled": (
        "tuning: {embeddings: frozen}",
        "tuning: {embeddings:\n   {rat: 0.1}}",
        15,
        "'rat' is no way of tuning; allowed: frozen, rate, unfreeze, gradual, decay",
    ),
    "a negative rate": (
        "tuning: {embeddings: frozen}",
        "tuning: {embeddings:\n   {rate: -0.1}}",
        15,
        "arms.frozen.tuning.embeddings.rate: Input should be greater than 0",
    ),
    "unfrozen at no update": (
        "tuning: {embeddings: frozen}",
        "tuning: {embeddings:\n   {rate: 0.1,\n   unfreeze: never}}",
        16,
        "arms.frozen.tuning.embeddings.unfreeze: Input should be a valid integer",
    ),
    "a decay that grows": (
        "tuning: {embeddings: frozen}",
        "tuning: {encoder: {decay: 1.5}}",
        14,
        "less than or equal to 1",
    ),
    "tied and projected": (
        FINETUNED,
        "finetuned: {start: {embeddings: word2vec}, tying: decoder, dimension: projection}",
        15,
        "can't be tied",
    ),
    "one matrix, one side": (
        FINETUNED,
        "finetuned: {start: {source-embeddings: word2vec}, tying: all}",
        15,
        "so both must start from one thing",
    ),
    "one matrix of two things": (
        f"{THING}\narms:\n  random: {{}}\n  frozen: {FROZEN}\n  {FINETUNED}",
        "a: {kind: word2vec, joint: true}\n  b: {kind: fasttext, joint: true}\narms:\n"
        "  random: {}\n  two: {start: {source-embeddings: a, target-embeddings: b}, tying: all}",
        15,
        "so both must start from one thing",
    ),
    "nothing learns": (
        "tuning: {embeddings: frozen}",
        "tuning: {model: frozen}",
        14,
        "nothing would learn",
    ),
    "tied and tuned": (
        "heads: 2}",
        "heads: 2, tying: decoder}",
        14,
        "output-layer are one matrix .*; give both the same tuning",
    ),
    "the key vectors": (
        "pretrained:",
        "vectors:",
        10,
        "no key 'vectors' any more; write pretrained: {NAME: {kind: word2vec}}",
    ),
    "the key encoder": (
        "pretrained:",
        "encoder: {name: bert}\npretrained:",
        10,
        "no key 'encoder' any more; write pretrained: {NAME: {kind: checkpoint, path",
    ),
    "an arm's key vectors": (
        FINETUNED,
        "finetuned:\n    vectors: word2vec",
        16,
        "no key 'vectors' any more; write start: {embeddings: NAME}",
    ),
    "an arm's key side": (
        FINETUNED,
        "finetuned:\n    side: source",
        16,
        "no key 'side' any more; write the part: start: {source-embeddings: NAME}",
    ),
    "an arm's key thaw_at": (
        FINETUNED,
        "finetuned:\n    thaw_at: 30",
        16,
        "no key 'thaw_at' any more; write tuning: {embeddings: {unfreeze: 1000}}",
    ),
    "an arm's key learning_rate": (
        FINETUNED,
        "finetuned:\n    learning_rate: 0.1",
        16,
        "no key 'learning_rate' any more; write tuning: {embeddings: {rate: 0.1}}",
    ),
    "an arm's key shuffled": (
        FINETUNED,
        "finetuned:\n    shuffled: true",
        16,
        "no key 'shuffled' any more; write control: shuffled",
    ),
    "the model's key width": (
        MODEL,
        "model: {encoder_layers: 1, decoder_layers: 1,\n  width: 16,",
        19,
        "no key 'width' any more; write dimension: 128",
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


def test_one_matrix_for_both_sides_needs_one_dictionary(tmp_path: Path) -> None:
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
    frozen: dict[PartName, Ways] = {
        "embeddings": {"frozen": TUNINGS["frozen"].model_validate(True)}
    }
    assert arms["frozen-random"] == Arm(tuning=frozen)
    assert arms["frozen"] == Arm(start={"embeddings": "word2vec"}, tuning=frozen)
    assert arms["shuffled"] == Arm(start={"embeddings": "word2vec"}, control="shuffled")
    assert arms["source-only"] == Arm(start={"source-embeddings": "word2vec"})


@pytest.mark.parametrize(
    ("things", "arms", "says"),
    [
        (THING, "[random,\n  finetund]", r":13: .*did you mean 'finetuned'"),
        (
            "a: {kind: word2vec}\n  b: {kind: fasttext}",
            "[random,\n  frozen]",
            ":14: .* there are 2; write",
        ),
    ],
)
def test_arms_that_no_name_stands_for_are_refused(
    tmp_path: Path, things: str, arms: str, says: str
) -> None:
    file = tmp_path / "named.yaml"
    text = TINY.replace(THING, things)
    file.write_text(text.replace(ARMS, f"arms: {arms}\n"))
    with pytest.raises(UserError, match=says):
        load(file)


def test_an_unknown_key_is_said_before_arms_that_lack_it(tmp_path: Path) -> None:
    file = tmp_path / "named.yaml"
    file.write_text(TINY.replace(ARMS, "arms: [frozen]\n").replace("pretrained:", "pretraind:"))
    with pytest.raises(UserError, match=r":10: pretraind: .*did you mean 'pretrained'"):
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


def test_words_may_be_trained_on_text_where_each_sample_has_its_segmentation(
    tmp_path: Path,
) -> None:
    """Words need no segmentation, so that vectors of words are the same for all samples."""
    file = tmp_path / "words.yaml"
    text = TINY.replace("fit_on: monolingual", "fit_on: sample")
    file.write_text(text.replace("{kind: word2vec,", "{kind: word2vec, unit: word,"))
    assert load(file).experiment.vectors("word2vec").unit == "word"
