"""Scores are sacreBLEU's; broken output is scored, with a warning."""

import pytest
import sacrebleu

from nmt_ablation.errors import UserError
from nmt_ablation.scoring import compare, score

REFERENCES = ["The cat sat on the mat.", "There is a dog in the garden, I think."]


def test_scores_are_sacrebleus() -> None:
    hypotheses = ["The cat sat on a mat.", "There is a dog in the yard, I think."]
    found = score(hypotheses, REFERENCES, "13a")
    assert found["bleu"] == sacrebleu.corpus_bleu(hypotheses, [REFERENCES]).score
    assert found["chrf"] == sacrebleu.corpus_chrf(hypotheses, [REFERENCES]).score
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("hypotheses", "warning"),
    [
        (["", ""], "2 of 2 hypotheses are empty"),
        (["x x x", "x x x"], "all hypotheses are the same"),
        (["nothing", "alike"], "BLEU is below 1"),
    ],
)
def test_broken_output_gives_a_score_and_a_warning(hypotheses: list[str], warning: str) -> None:
    found = score(hypotheses, REFERENCES, "13a")
    assert found["bleu"] < 1
    assert any(warning in said for said in found["warnings"])


def test_a_number_of_hypotheses_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="1 hypotheses for 2 references"):
        score(["one"], REFERENCES, "13a")


def test_the_bootstrap_tells_a_real_difference_from_none() -> None:
    references = [f"sentence number {n} is about thing {n % 7}" for n in range(200)]
    worse = [line.replace("about", "of") for line in references]
    mixed = [(worse if n % 2 else references)[n] for n in range(200)]
    other_half = [(references if n % 2 else worse)[n] for n in range(200)]
    assert compare(worse, references, references, "13a")["bleu"]["p"] < 0.01
    assert compare(mixed, other_half, references, "13a")["bleu"]["p"] > 0.1
