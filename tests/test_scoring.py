"""Scores are sacreBLEU's; broken output is scored, with a warning; a command may score too."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest, Result

from nmt_ablation import references
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.scoring.bleu import Bleu
from nmt_ablation.scoring.chrf import Chrf
from nmt_ablation.scoring.command import Command
from nmt_ablation.scoring.config import Scoring
from nmt_ablation.scoring.metric import Metric
from nmt_ablation.scoring.metrics import METRICS
from nmt_ablation.scoring.resample import (
    COUNT,
    compare,
    load_scores,
    resampled,
    save_scores,
)
from nmt_ablation.scoring.score import load_statistics, save_statistics, score
from tests.conftest import COMMAND, NewRun

REFERENCES = ["The cat sat on the mat.", "There is a dog in the garden, I think."]
USUAL: Mapping[str, Metric] = {"bleu": Bleu(), "chrf": Chrf()}
BY_SACREBLEU: Mapping[str, Metric] = {
    name: METRICS[name].model_validate({"kind": name}) for name in METRICS.names()[:4]
}
LENGTHS = "import sys; print(*(len(line) - 1 for line in open(sys.argv[1])), sep='\\n')"


def _texts() -> tuple[list[str], list[str], list[str]]:
    """References, a good system and a bad one."""
    draw = np.random.default_rng(3)
    words = ["a", "small", "red", "dog", "runs", "over", "the", "green", "field", "and", "sees"]
    texts = [" ".join(draw.choice(words, 8)) for _ in range(60)]
    good = [text.replace("dog", "cat") for text in texts]
    return texts, good, [" ".join(text.split()[::-1]) for text in texts]


def test_scores_and_signatures_are_sacrebleus() -> None:
    hypotheses = ["The cat sat on a mat.", "There is a dog in the yard, I think."]
    found, _ = score(BY_SACREBLEU, hypotheses, REFERENCES, REFERENCES)
    for name, theirs in (
        ("bleu", sacrebleu.corpus_bleu(hypotheses, [REFERENCES])),
        ("chrf", sacrebleu.corpus_chrf(hypotheses, [REFERENCES])),
        ("chrf++", sacrebleu.corpus_chrf(hypotheses, [REFERENCES], word_order=2)),
        ("ter", sacrebleu.corpus_ter(hypotheses, [REFERENCES])),
    ):
        assert found.scores[name].value == theirs.score
    bleu = BLEU()
    bleu.corpus_score(hypotheses, [REFERENCES])
    assert found.scores["bleu"].signature == bleu.get_signature().format()
    assert found.warnings == []


@pytest.mark.parametrize(
    ("hypotheses", "warning"),
    [
        (["", ""], "2 of 2 hypotheses are empty"),
        (["x x x", "x x x"], "all hypotheses are the same"),
        (["nothing", "alike"], "BLEU is below 1"),
    ],
)
def test_broken_output_gives_a_score_and_a_warning(hypotheses: list[str], warning: str) -> None:
    found, _ = score(USUAL, hypotheses, REFERENCES, REFERENCES)
    assert found.scores["bleu"].value < 1
    assert any(warning in said for said in found.warnings)


def test_a_number_of_hypotheses_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="1 hypotheses for 2 references"):
        score(USUAL, ["one"], REFERENCES, REFERENCES)


def test_paired_tests_are_sacrebleus() -> None:
    texts, good, bad = _texts()
    good[::2] = bad[::2]
    statistics = [score(USUAL, each, texts, texts)[1] for each in (bad, good)]
    bad_one, good_one = statistics
    found = compare(USUAL, bad_one, good_one)
    theirs = {"bleu": BLEU(references=[texts]), "chrf": CHRF(references=[texts])}
    for kind, key in (("bs", "bootstrap"), ("ar", "randomisation")):
        _, scores = PairedTest([("one", bad), ("other", good)], theirs, None, test_type=kind)()
        for name, (_, result) in zip(theirs, list(scores.values())[1:], strict=True):
            assert isinstance(result, Result)
            assert getattr(found[name], key) == result.p_value


def test_paired_tests_tell_a_real_difference_from_none() -> None:
    texts = [f"sentence number {n} is about thing {n % 7}" for n in range(200)]
    worse = [line.replace("about", "of") for line in texts]
    mixed = [(worse if n % 2 else texts)[n] for n in range(200)]
    other_half = [(texts if n % 2 else worse)[n] for n in range(200)]
    whole, part, other, same = (
        score({"bleu": Bleu()}, each, texts, texts)[1] for each in (texts, mixed, other_half, mixed)
    )
    worst = score({"bleu": Bleu()}, worse, texts, texts)[1]
    assert compare({"bleu": Bleu()}, worst, whole)["bleu"].bootstrap < 0.01
    assert compare({"bleu": Bleu()}, part, other)["bleu"].bootstrap > 0.1
    equal = compare({"bleu": Bleu()}, part, same)["bleu"]
    assert equal.bootstrap == equal.randomisation == 1


def test_resampled_scores_are_paired_and_begin_with_the_test_set(tmp_path: Path) -> None:
    texts, good, bad = _texts()
    drawn = []
    for hypotheses in (good, bad):
        whole, statistics = score(BY_SACREBLEU, hypotheses, texts, texts)
        save_statistics(statistics, tmp_path)
        found = resampled(BY_SACREBLEU, load_statistics(tmp_path))
        save_scores(found, tmp_path)
        drawn.append(load_scores(tmp_path))
        for name in BY_SACREBLEU:
            assert found[name][0] == whole.scores[name].value
            assert found[name].shape == (1 + COUNT,)
            assert found[name][1:].std() > 0
    # A resample that is easy for one system is easy for the other.
    assert np.corrcoef(drawn[0]["chrf"][1:], drawn[1]["chrf"][1:])[0, 1] > 0.2


class TestCommand:
    """A metric of the user's own."""

    @staticmethod
    def _metric(program: str, **other: object) -> Command:
        command = [sys.executable, "-c", program, "{hypotheses}"]
        return Command.model_validate({"command": command, **other})

    def test_its_corpus_score_is_the_mean_of_its_sentences(self) -> None:
        metrics = {"length": self._metric(LENGTHS, label="length")}
        found, statistics = score(metrics, ["ab", "abcd"], REFERENCES, REFERENCES)
        assert found.scores["length"].value == 3
        assert "mean:sentences" in found.scores["length"].signature
        drawn = resampled(metrics, statistics)["length"]
        assert set(drawn) == {2, 3, 4}

    def test_it_is_given_references_and_sources(self) -> None:
        program = "import sys; print(*(len(open(path).read()) for path in sys.argv[1:]), sep='\\n')"
        command = [sys.executable, "-c", program, "{hypotheses}", "{references}", "{sources}"]
        metrics = {"size": Command.model_validate({"command": command})}
        found, _ = score(metrics, ["a", "b", "c"], ["ab", "", ""], ["abc", "", ""])
        assert found.scores["size"].value == pytest.approx((6 + 5 + 6) / 3)

    @pytest.mark.parametrize(
        ("program", "says"),
        [
            ("print(1)", "printed 1 numbers for 2 sentences"),
            ("print('nan'); print(1)", "printed 'nan', which is no number"),
            ("print('Score:'); print(1)", "printed 'Score:', which is no number"),
            ("import sys; sys.exit('no model')", "ended with exit code 1: no model"),
        ],
    )
    def test_what_it_does_wrong_is_said(self, program: str, says: str) -> None:
        with pytest.raises(UserError, match=says):
            score({"mine": self._metric(program)}, ["a", "b"], REFERENCES, REFERENCES)

    def test_a_program_that_is_not_there_is_named_before_anything_runs(self) -> None:
        scoring = Scoring.model_validate(
            {
                "metrics": {
                    "mine": {"kind": "command", "command": ["no-such-program", "{hypotheses}"]}
                }
            }
        )
        with pytest.raises(UserError, match="there is no program no-such-program"):
            scoring.check()


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("{bleu_tokenizer: zh}", r"write metrics: \{bleu: \{tokenizer: zh\}, chrf: \{\}\}"),
        ("{metrics: {rouge: {}}}", r"there is no metric 'rouge'; allowed: bleu, .*, command"),
        ("{metrics: {bleu: {tokens: 13a}}}", r"unknown key 'tokens'.*allowed: kind, tokenizer"),
        ("{metrics: {bleu: {tokenizer: 14a}}}", r"scoring\.metrics\.bleu\.tokenizer: "),
        ("{metrics: {mine: {kind: command}}}", r"the key 'command' is missing"),
        ("{metrics: {mine: {kind: command, command: [7]}}}", r"scoring\.metrics\.mine\.command"),
        ("{primary: ter}", "no metric is called 'ter'; allowed: bleu, chrf"),
        ("{metrics: {}}", r"scoring\.metrics"),
    ],
)
def test_a_wrong_block_is_said_with_what_is_allowed(new_run: NewRun, block: str, says: str) -> None:
    run = new_run(("decoding:", f"scoring: {block}\ndecoding:"))
    with pytest.raises(UserError, match=says) as refused:
        load(run.file)
    assert "tiny.yaml:" in str(refused.value)


def test_a_block_comes_back_from_its_own_record(new_run: NewRun) -> None:
    block = (
        "{metrics: {length: {kind: command, command: [wc, '{hypotheses}']}, bleu: {tokenizer: zh}}}"
    )
    run = new_run(("decoding:", f"scoring: {block}\ndecoding:"))
    scoring = load(run.file).experiment.scoring
    assert Scoring.model_validate(scoring.model_dump(mode="json")) == scoring
    assert (scoring.primary, scoring.bleu_tokenizer) == ("length", "zh")
    assert list(scoring.measures) == ["length", "bleu"]
    assert Scoring().primary == "bleu" and Scoring().bleu_tokenizer == "13a"


def test_every_metric_cites_what_there_is() -> None:
    there = references.entries()
    for name in METRICS.names():
        assert set(METRICS[name].cites) <= there.keys()


def test_an_installed_package_may_bring_a_metric(new_run: NewRun, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "lengths-1.0.dist-info").mkdir(parents=True)
    (site / "lengths-1.0.dist-info" / "METADATA").write_text("Name: lengths\nVersion: 1.0\n")
    (site / "lengths-1.0.dist-info" / "entry_points.txt").write_text(
        "[nmt_ablation.metrics]\nlength = lengths:Length\n"
    )
    (site / "lengths.py").write_text(
        "from nmt_ablation.scoring.ter import Ter\n\nclass Length(Ter):\n    kind: str = 'length'\n"
    )
    run = new_run(("decoding:", "scoring: {metrics: {length: {}}}\ndecoding:"))
    path = os.pathsep.join([str(site), *sys.path])
    for environment, code in ((os.environ | {"PYTHONPATH": path}, 0), (os.environ, 1)):
        command = [str(COMMAND), "validate", str(run.file)]
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert result.returncode == code, result.stderr
