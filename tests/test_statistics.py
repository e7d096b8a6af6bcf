"""Intervals cover the truth as often as they say, where the truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_ablation.results.statistics import (
    Spread,
    corrected,
    interval,
    spread_of_gains,
    spread_of_scores,
)


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("arms", [2, 6])
@pytest.mark.parametrize(
    ("of_seeds", "of_sentences", "of_both"), [(0.6, 8.0, 8.0), (1.5, 4.0, 4.0), (0.2, 15.0, 5.0)]
)
def test_intervals_cover_the_truth(
    arms: int, seeds: int, of_seeds: float, of_sentences: float, of_both: float
) -> None:
    """Scores and gains of known size, on other sentences and other seeds each time. Each of the two
    moves all arms alike, and each arm by itself."""
    draw, sentences, resamples, times = np.random.default_rng(1), 100, 100, 1000
    if seeds == 1:
        of_seeds = 0.0  # of which one seed can't speak
    covered = np.zeros(2)
    for _ in range(times):
        scores = np.zeros((arms, seeds, sentences))
        for size, shape in (
            (of_seeds, (1, seeds, 1)),
            (of_seeds, (arms, seeds, 1)),
            (of_sentences, (1, 1, sentences)),
            (of_sentences, (arms, 1, sentences)),
            (of_both, (1, seeds, sentences)),
            (of_both, (arms, seeds, sentences)),
        ):
            scores += draw.normal(0, size, shape)
        weights = draw.multinomial(sentences, np.full(sentences, 1 / sentences), size=resamples)
        drawn = np.concatenate([scores.mean(-1, keepdims=True), scores @ weights.T / sentences], -1)
        whole = drawn[..., 0]
        mean = interval(drawn[0], spread_of_scores(whole))
        gain = interval(drawn[1] - drawn[0], spread_of_gains(whole))
        covered += [found.low <= 0 <= found.high for found in (mean, gain)]
    # Of two arms, two or three seeds that are alike by chance are not taken at their word.
    most = 0.995 if arms == 2 and seeds in (2, 3) else 0.98
    assert all(0.92 <= share <= most for share in covered / times), covered / times


def test_gains_of_arms_that_lack_a_seed_are_covered_too() -> None:
    """What differs from seed to seed is told from all there is."""
    draw, covered, times = np.random.default_rng(1), 0, 1000
    for _ in range(times):
        scores = draw.normal(0, 1, (5, 3, 1)) + draw.normal(0, 0.3, (5, 1, 100))
        whole = scores.mean(-1)
        whole[2:, 2] = np.nan
        found = interval((scores[3] - scores[4])[:2], spread_of_gains(whole))
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / times <= 0.98, covered / times


def test_seeds_that_are_alike_by_chance_make_no_interval_of_less_than_sentences() -> None:
    draw = np.random.default_rng(1)
    resamples = draw.normal(0, 1, (2, 1000))
    alike = np.concatenate([np.zeros((2, 1)), resamples], axis=1)
    found = interval(alike, Spread(0.0, 20))
    assert found.high == pytest.approx(1.96 * resamples.mean(0).std(ddof=1), rel=0.01)


def test_one_seed_or_arms_that_share_none_say_nothing_of_seeds() -> None:
    assert spread_of_gains(np.ones((3, 1))) is None
    assert spread_of_gains(np.array([[1.0, np.nan], [np.nan, 2.0]])) is None


def test_more_arms_tell_more_of_seeds() -> None:
    """Two seeds of one comparison say next to nothing; of six, something."""
    draw = np.random.default_rng(1)
    few, many = list[float](), list[float]()
    for _ in range(200):
        scores = draw.normal(0, 1, (6, 2, 1)) + draw.normal(0, 0.1, (6, 2, 50))
        for widths, arms in ((few, 2), (many, 6)):
            found = interval(scores[1] - scores[0], spread_of_gains(scores[:arms, :, 0]))
            widths.append(found.high - found.low)
    assert np.median(many) < np.median(few) / 2


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
        scores = shift + draw.normal(0, 1, (3, 1)) + draw.normal(0, 0.5, (1, 200))
        found = interval(scores, Spread(1.0, 2))
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_correction_only_raises_and_keeps_the_order(p_values: list[float]) -> None:
    found = corrected(p_values, 0)
    assert all(p <= c <= 1 for p, c in zip(p_values, found, strict=True))
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [found[at] for at in order] == sorted(found)
    assert found[order[0]] == pytest.approx(min(1, len(p_values) * p_values[order[0]]))
    # What is still to come is taken for 1: the same as if it had come, and was that.
    assert corrected(p_values, len(p_values) + 2) == corrected([*p_values, 1, 1], 0)[:-2]
