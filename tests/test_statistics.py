"""Intervals cover the truth as often as they say, where the truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_ablation import scoring
from nmt_ablation.statistics import corrected, interval


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("of_seeds", "of_sentences", "of_both"), [(0.6, 8.0, 8.0), (1.5, 4.0, 4.0), (0.2, 15.0, 5.0)]
)
def test_intervals_cover_the_truth(
    seeds: int, of_seeds: float, of_sentences: float, of_both: float
) -> None:
    """Gains of known size, on other sentences and other seeds each time."""
    draw, sentences, resamples, covered, times = np.random.default_rng(1), 100, 100, 0, 1000
    if seeds == 1:
        of_seeds = 0.0  # of which one seed can't speak
    for _ in range(times):
        truth = 2.0
        gains = (
            truth
            + draw.normal(0, of_seeds, (seeds, 1))
            + draw.normal(0, of_sentences, (1, sentences))
            + draw.normal(0, of_both, (seeds, sentences))
        )
        weights = draw.multinomial(sentences, np.full(sentences, 1 / sentences), size=resamples)
        scores = np.hstack([gains.mean(1, keepdims=True), gains @ weights.T / sentences])
        found = interval(scores)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / times <= 0.98


def test_a_bootstrap_over_three_seeds_would_not() -> None:
    """Why Student's t stands where a bootstrap might."""
    draw, covered, times = np.random.default_rng(1), 0, 1000
    for _ in range(times):
        gains = draw.normal(2.0, 1.0, 3)
        means = gains[draw.integers(0, 3, (500, 3))].mean(1)
        covered += np.quantile(means, 0.025) <= 2.0 <= np.quantile(means, 0.975)
    assert covered / times < 0.85


def test_p_agrees_with_the_interval() -> None:
    draw = np.random.default_rng(2)
    for shift in np.linspace(-3, 3, 13):
        found = interval(shift + draw.normal(0, 1, (3, 1)) + draw.normal(0, 0.5, (1, 200)))
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_correction_only_raises_and_keeps_the_order(p_values: list[float]) -> None:
    found = corrected(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, found, strict=True))
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [found[at] for at in order] == sorted(found)
    assert found[order[0]] == pytest.approx(min(1, len(p_values) * p_values[order[0]]))


def test_resampled_scores_are_sacrebleus() -> None:
    draw = np.random.default_rng(3)
    words = ["a", "small", "red", "dog", "runs", "over", "the", "green", "field", "and", "sees"]
    references = [" ".join(draw.choice(words, 8)) for _ in range(60)]
    good = [reference.replace("dog", "cat") for reference in references]
    bad = [" ".join(reference.split()[::-1]) for reference in references]
    found = scoring.resampled([good, bad], references, "13a")
    for at, hypotheses in enumerate((good, bad)):
        whole = scoring.score(hypotheses, references, "13a")
        for name in ("bleu", "chrf"):
            assert found[name][at, 0] == pytest.approx(whole[name])
            assert found[name].shape == (2, 1 + scoring.RESAMPLES)
            assert found[name][at, 1:].std() > 0
    # Paired: a resample that is easy for one is easy for the other.
    assert np.corrcoef(found["chrf"][:, 1:])[0, 1] > 0.2
