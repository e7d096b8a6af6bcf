"""Cards and recipes of the pairs of the literature: consistent with each other, planned offline."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from nmt_ablation import references
from nmt_ablation.cli import main
from nmt_ablation.corpus.config import OwnText
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.corpora import Monolingual
from nmt_ablation.experiment.file import load as load_experiment
from nmt_ablation.opus.card import FOLDER, Card, CorpusOfPair, TextOfPair, card_for, load
from nmt_ablation.opus.catalogue import known

ROOT = Path(__file__).parents[1]
PAIRS = ["gl-en", "az-en", "be-en", "pt-en", "ru-en", "tr-en", "fa-zh", "en-zh", "de-en"]
CARDS = sorted(path.stem for path in FOLDER.glob("*-*.yaml"))
RECIPES = sorted((ROOT / "recipes").glob("opus-*.yaml"))

MINIMAL = """\
pair: fa-zh
corpora:
  - corpus: TED2020/v1
    pair: fa-zh_cn
    pairs: 10
    bytes: 2048
    licence: none known
  - {corpus: CCMatrix/v1, pairs: 10, bytes: 1024, licence: none known}
left_out:
  - {corpus: NLLB/v1, because: a copy}
monolingual:
  - corpus: TED2020/v1
    pair: fa-zh_cn
    lines: {fa: 1, zh_cn: 2}
    bytes: {fa: 300, zh_cn: 400}
    licence: none known
"""


@pytest.fixture
def card(tmp_path: Path) -> Card:
    path = tmp_path / "fa-zh.yaml"
    path.write_text(MINIMAL)
    return load(path)


class TestCards:
    def test_there_is_one_for_each_pair_of_the_literature(self) -> None:
        assert set(CARDS) >= set(PAIRS)
        assert {path.stem for path in RECIPES} >= {f"opus-{pair}" for pair in PAIRS}

    @pytest.mark.parametrize("pair", CARDS)
    def test_each_is_valid_and_named_after_its_pair(self, pair: str) -> None:
        path = FOLDER / f"{pair}.yaml"
        assert load(path).pair == pair
        assert path.read_text().startswith("# ")

    @pytest.mark.parametrize("pair", PAIRS)
    def test_each_says_what_was_found_and_what_to_leave_out(self, pair: str) -> None:
        card = card_for(pair)
        assert card is not None
        assert card.findings and card.left_out and card.monolingual

    @pytest.mark.parametrize("pair", CARDS)
    def test_what_they_cite_is_in_the_references(self, pair: str) -> None:
        card = card_for(pair)
        assert card is not None
        assert set(card.cited()) <= references.entries().keys()

    @pytest.mark.parametrize("pair", CARDS)
    def test_their_licences_are_those_known_of_the_corpora(self, pair: str) -> None:
        card = card_for(pair)
        assert card is not None
        entries: list[CorpusOfPair | TextOfPair] = [*card.corpora, *card.monolingual]
        for entry in entries:
            about = known(entry.corpus.name)
            assert entry.licence.startswith(about.licence or "")
            assert set(entry.cite) <= set(about.cite)

    def test_either_direction_of_a_pair_finds_the_card(self) -> None:
        assert card_for("en-gl") == card_for("gl-en") is not None
        assert card_for("gl-xx") is None

    def test_the_size_of_a_file_is_found_by_its_path_in_opus(self, card: Card) -> None:
        assert card.bytes("OPUS-TED2020/v1/moses/fa-zh_cn.txt.zip") == 2048
        assert card.bytes("OPUS-CCMatrix/v1/moses/fa-zh.txt.zip") == 1024
        assert card.bytes("OPUS-TED2020/v1/mono/zh_cn.txt.gz") == 400
        assert card.bytes("OPUS-TED2020/v2/mono/zh_cn.txt.gz") is None

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("pairs: 10\n    bytes", "pears: 10\n    bytes", ":5: .*did you mean 'pairs'"),
            ("licence: none known\n  -", "note: x\n  -", "the key 'licence' is missing"),
            ("pair: fa-zh_cn\n    pairs", "pair: fa-en\n    pairs", "TED2020/v1 has fa-en, and"),
            ("NLLB/v1, because", "TED2020/v1, because", "TED2020/v1 is both used and left out"),
            ("TED2020/v1\n    pair: fa-zh_cn\n    p", "NLLB/v2\n    p", "are copies; use one"),
            ("bytes: {fa: 300, zh_cn", "bytes: {fa: 300, zh", "needs lines and bytes for .*zh_cn"),
            ("CCMatrix/v1", "CCMatrix", "is no corpus; write Name/version"),
        ],
    )
    def test_a_mistake_is_named(self, tmp_path: Path, old: str, new: str, says: str) -> None:
        assert old in MINIMAL
        path = tmp_path / "bad.yaml"
        path.write_text(MINIMAL.replace(old, new, 1))
        with pytest.raises(UserError, match=says):
            load(path)

    def test_the_guides_experiment_and_card_are_valid(self, tmp_path: Path) -> None:
        guide = (ROOT / "docs" / "adding-a-pair.md").read_text()
        experiment, card = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
        (tmp_path / "mine.yaml").write_text(experiment)
        assert load_experiment(tmp_path / "mine.yaml").experiment.pair == "sw-en"
        (tmp_path / "gl-es.yaml").write_text(card)
        assert load(tmp_path / "gl-es.yaml").pair == "gl-es"

    def test_mandarin_is_chinese(self, tmp_path: Path) -> None:
        path = tmp_path / "fa-zh.yaml"
        path.write_text(MINIMAL.replace("pair: fa-zh_cn\n    pairs", "pair: fa-cmn\n    pairs"))
        assert load(path).bytes("OPUS-TED2020/v1/moses/cmn-fa.txt.zip") == 2048


class TestRecipes:
    @pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
    def test_each_is_valid_and_can_be_planned_offline(self, recipe: Path, tmp_path: Path) -> None:
        valid = CliRunner().invoke(main, ["validate", str(recipe)])
        assert valid.exit_code == 0, valid.stderr
        plan = CliRunner().invoke(main, ["plan", str(recipe), "--workspace", str(tmp_path)], env={})
        assert plan.exit_code == 0, plan.stderr
        assert re.search(r"To fetch: \d+ files, [\d.]+ [MG]B\.\nOn disk: up to ", plan.stdout)

    @pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
    def test_each_corpus_stands_on_the_pair_s_card(self, recipe: Path) -> None:
        experiment = load_experiment(recipe).experiment
        card = card_for(experiment.pair)
        assert card is not None and card.pair == experiment.pair

        def plain(corpora: Sequence[Monolingual]) -> list[tuple[str, str | None]]:
            return [(str(it.corpus), it.pair) for it in corpora if not isinstance(it, OwnText)]

        parallel = plain([*experiment.corpora.parallel])
        listed = plain([*card.corpora])
        assert [it for it in listed if it in parallel] == parallel, "in the order of the card"
        monolingual = experiment.corpora.monolingual
        assert isinstance(monolingual, list)
        assert set(plain(monolingual)) <= set(plain([*card.monolingual]))

    @pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
    def test_sizes_ascend_and_the_first_corpus_can_spare_what_is_held_out(
        self, recipe: Path
    ) -> None:
        experiment = load_experiment(recipe).experiment
        card = card_for(experiment.pair)
        assert card is not None
        numbers = [size for size in experiment.sizes if isinstance(size, int)]
        assert numbers == sorted(numbers)
        assert "all" not in experiment.sizes[:-1]
        tests = sum(it.pairs for it in experiment.held_out.sets.values())
        held_out = experiment.held_out.valid.pairs + tests
        assert held_out < card.corpora[0].pairs / 2
        used = {str(it) for it in experiment.corpora.parallel}
        # Half of the pairs may be duplicates or dropped, and the largest sample is still there.
        assert numbers[-1] < sum(it.pairs for it in card.corpora if str(it) in used) / 2

    @pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
    def test_chinese_is_scored_and_cleaned_as_chinese(self, recipe: Path) -> None:
        experiment = load_experiment(recipe).experiment
        chinese = experiment.target == "zh"
        assert experiment.scoring.bleu_tokenizer == ("zh" if chinese else "13a")
        assert not (chinese and experiment.segmentation.joint)

    @pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
    def test_each_opens_with_its_question_and_what_it_takes(self, recipe: Path) -> None:
        lines = recipe.read_text().splitlines()
        comment = [it for it in lines[:5] if it.startswith("# ") and "$schema" not in it]
        assert 2 <= len(comment) <= 4
        assert "?" in " ".join(comment) and "# Takes: " in "\n".join(comment)
