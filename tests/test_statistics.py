"""Intervals cover the truth, and verdicts err, as often as they say, where the truth is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from nmt_ablation.results import dunnett
from nmt_ablation.results.spread import Block, Spread, Spreads
from nmt_ablation.results.statistics import (
    ALPHA,
    Estimate,
    estimate,
    holm,
    holm_levels,
    spread_of_mean,
)

BASELINE = 0


def scores(
    draw: np.random.Generator,
    arms: int,
    sizes: int,
    seeds: int,
    of_arms: Sequence[float] = (),
    of_sizes: Sequence[float] = (),
) -> list[np.ndarray]:
    """Return scores of arms without gains, arms x seeds for each size.

    Each seed moves all arms alike, and each arm by itself.

    Args:
        of_arms: the deviation of each arm between seeds; 1 for those that are not named.
        of_sizes: the same of sizes; the product counts.
    """
    own = np.array([*of_arms, *[1.0] * (arms - len(of_arms))])[:, None]
    each = [*of_sizes, *[1.0] * (sizes - len(of_sizes))]
    return [
        size * own * draw.normal(0, 1, (arms, seeds)) + draw.normal(0, 1, (1, seeds))
        for size in each
    ]


def gains(tables: Sequence[np.ndarray]) -> list[list[Estimate]]:
    """Return the gains of all arms over the first at each size, on endless test sentences."""
    spreads = Spreads([Block(table) for table in tables])
    found = []
    for size, block in enumerate(spreads.blocks):
        of_size = []
        for arm in range(1, len(tables[size])):
            weights = block.weights(arm, BASELINE)
            spread = spreads.of_gain(size, weights)
            of_size.append(Estimate(float(weights @ block.scores), spread, 0.0, 0.0))
        found.append(of_size)
    return found


def coverage(times: int, **shape: object) -> np.ndarray:
    """Return how often intervals have the truth, sizes x arms."""
    draw, covered = np.random.default_rng(1), []
    for _ in range(times):
        found = gains(scores(draw, **shape))  # type: ignore[arg-type]
        covered.append([[abs(it.mean) <= it.margin(ALPHA) for it in size] for size in found])
    return np.array(covered).mean(axis=0)  # type: ignore[no-any-return]


@pytest.mark.parametrize("seeds", [2, 3, 5, 12])
@pytest.mark.parametrize(("arms", "sizes"), [(2, 1), (2, 4), (3, 2), (6, 1), (6, 4), (12, 3)])
def test_intervals_of_gains_cover_the_truth(arms: int, sizes: int, seeds: int) -> None:
    found = coverage(250, arms=arms, sizes=sizes, seeds=seeds)
    assert 0.93 <= found.mean() <= 0.97, found


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("of_arms", "of_sizes", "least"),
    [
        ((1, 2), (), 0.92),
        ((2,), (), 0.92),
        ((1, 2, 2, 2), (), 0.93),
        ((), (2, 2), 0.93),
        ((1, 2), (2,), 0.90),
    ],
)
def test_arms_and_sizes_of_double_deviation_are_covered_too(
    of_arms: Sequence[float], of_sizes: Sequence[float], least: float, seeds: int
) -> None:
    """Over all arms as often as they say, and hardly less for the noisiest."""
    found = coverage(400, arms=6, sizes=4, seeds=seeds, of_arms=of_arms, of_sizes=of_sizes)
    assert 0.925 <= found.mean() <= 0.975, found
    assert found.mean(axis=0).min() >= least, found


def test_differences_of_gains_are_covered_and_hardly_too_wide() -> None:
    """The gains are at two sizes whose spreads differ by half."""
    draw, covered = np.random.default_rng(1), []
    for _ in range(1500):
        few, many = (gains(scores(draw, 2, 1, 3, of_sizes=(it,)))[0][0] for it in (1.0, 1.5))
        found = few.minus(many)
        covered.append(abs(found.mean) <= found.margin(ALPHA))
    assert 0.935 <= np.mean(covered) <= 0.97


def test_one_seed_at_a_size_borrows_the_spread_of_others() -> None:
    draw, covered = np.random.default_rng(1), []
    for _ in range(500):
        tables = scores(draw, 4, 3, 3)
        tables[1][:, 1:] = np.nan
        covered.append([abs(it.mean) <= it.margin(ALPHA) for it in gains(tables)[1]])
    assert 0.92 <= np.mean(covered) <= 0.98


def test_arms_that_lack_seeds_are_covered_too() -> None:
    draw, covered = np.random.default_rng(1), []
    for _ in range(400):
        tables = scores(draw, 6, 2, 4)
        for table in tables:
            table[2:][draw.random((4, 4)) < 0.3] = np.nan
            table[2:, 0] = draw.normal(0, 1, 4)  # one is always there
        covered.append([abs(it.mean) <= it.margin(ALPHA) for of in gains(tables) for it in of])
    assert 0.93 <= np.mean(covered) <= 0.97


def test_least_squares_uses_the_seeds_that_one_arm_lacks() -> None:
    """An arm's second seed says something of the baseline's, through the arms that have it."""
    full = np.array([[1.0, 2.0], [4.0, 5.0], [7.0, 8.0]])
    lacking = full.copy()
    lacking[1, 1] = np.nan
    of_full, of_lacking = (Block(table) for table in (full, lacking))
    for block in (of_full, of_lacking):
        assert block.weights(1, 0) @ block.scores == pytest.approx(3)
    squares = [float((it.weights(1, 0) ** 2).sum()) for it in (of_full, of_lacking)]
    assert squares[0] == pytest.approx(1) and 1 < squares[1] < 2  # 2 from the shared seed alone


def test_a_noisy_arm_keeps_its_own_spread_and_others_theirs() -> None:
    draw = np.random.default_rng(1)
    spreads = Spreads([Block(it) for it in scores(draw, 6, 4, 12, of_arms=(1, 3))])
    assert spreads.arms[1] == pytest.approx(9, rel=0.3)
    assert np.delete(spreads.arms, 1) == pytest.approx(np.ones(5), rel=0.5)
    p_of_arms, p_of_sizes = spreads.alike()
    assert p_of_arms is not None and p_of_sizes is not None
    assert p_of_arms < 0.001 < p_of_sizes


def test_the_test_of_equal_spreads_errs_as_often_as_it_says() -> None:
    draw, found = np.random.default_rng(1), []
    for _ in range(300):
        found.append(Spreads([Block(it) for it in scores(draw, 5, 3, 4)]).alike())
    assert 0.01 <= np.mean([p < 0.05 for p, _ in found if p is not None]) <= 0.09
    assert 0.01 <= np.mean([p < 0.05 for _, p in found if p is not None]) <= 0.09


def test_one_seed_or_arms_that_share_none_say_nothing_of_seeds() -> None:
    for table in (np.ones((3, 1)), np.array([[1.0, np.nan], [np.nan, 2.0]])):
        spreads = Spreads([Block(table)])
        assert spreads.of_gain(0, spreads.blocks[0].weights(1, 0)) is None
        assert spreads.alike() == (None, None)


def test_scores_without_any_spread_are_no_error() -> None:
    found = gains([np.full((3, 3), 5.0)])
    assert all(it.p == 1 for it in found[0])


@pytest.mark.parametrize("sizes", [(5,), (2, 2), (1, 4, 2)])
@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_of_all_comparisons_some_is_falsely_significant_in_one_case_of_twenty(
    sizes: tuple[int, ...], seeds: int
) -> None:
    draw, false = np.random.default_rng(1), 0
    for _ in range(1500):
        tables = scores(draw, max(sizes) + 1, len(sizes), seeds)
        for table, arms in zip(tables, sizes, strict=True):
            table[arms + 1 :] = np.nan
        found = [it for of, arms in zip(gains(tables), sizes, strict=True) for it in of[:arms]]
        false += min(it.p for it in found) < dunnett.level(ALPHA, sizes, (seeds,))
    assert 0.03 <= false / 1500 <= 0.06, false / 1500


def test_of_many_seeds_dunnetts_level_is_that_of_the_multivariate_normal_distribution() -> None:
    draw = np.random.default_rng(1)
    noise = draw.normal(size=(400_000, 5)) - draw.normal(size=(400_000, 1))
    largest = np.abs(noise / np.sqrt(2)).max(axis=1)
    level = 2 * ndtr(-np.quantile(largest, 1 - ALPHA))
    assert dunnett.level(ALPHA, (5,), (30,)) == pytest.approx(level, rel=0.1)


def test_a_single_comparison_is_not_corrected() -> None:
    assert dunnett.corrected(0.03, (1,), (3,)) == 0.03
    assert dunnett.level(0.03, (0, 1), (3,)) == 0.03
    assert dunnett.level(ALPHA, (1,), (3, 4)) < ALPHA


@pytest.mark.parametrize("arms", [(2,), (3, 0, 2), (12,)])
def test_dunnetts_is_about_between_no_correction_and_bonferronis(arms: tuple[int, ...]) -> None:
    p_values = np.geomspace(0.001, 1, 20)
    found = [dunnett.corrected(p, arms, (4,)) for p in p_values]
    assert found == sorted(found)
    assert all(0.9 * p <= c <= 2 * p * sum(arms) for p, c in zip(p_values, found, strict=True))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_only_raises_and_keeps_the_order(p_values: list[float]) -> None:
    found = holm(p_values, 0)
    assert all(p <= c <= 1 for p, c in zip(p_values, found, strict=True))
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [found[at] for at in order] == sorted(found)
    assert found[order[0]] == pytest.approx(min(1, len(p_values) * p_values[order[0]]))
    # What is still to come is taken for 1: the same as if it had come, and was that.
    assert holm(p_values, len(p_values) + 2) == holm([*p_values, 1, 1], 0)[:-2]


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=20), st.integers(0, 5))
def test_an_interval_at_holms_level_has_0_where_holm_finds_nothing(
    p_values: list[float], unfinished: int
) -> None:
    comparisons = len(p_values) + unfinished
    levels = holm_levels(p_values, comparisons)
    for p, level, after in zip(p_values, levels, holm(p_values, comparisons), strict=True):
        if abs(after - ALPHA) > 1e-9:
            assert (p < level) == (after < ALPHA)


def test_equivalence_errs_at_most_as_often_as_it_says() -> None:
    """The truth is just as large as the smallest gain of interest."""
    draw, false = np.random.default_rng(1), 0
    for _ in range(2000):
        found = Estimate(float(draw.normal(1, 0.2)), Spread(0.2**2, 1e6), 0.0, 0.0)
        false += found.p_within(1.0) < ALPHA
    assert 0.015 <= false / 2000 <= 0.035  # an interval is wrong at either end


def test_equivalence_is_found_where_the_interval_is_narrow() -> None:
    narrow, wide = (Estimate(0.1, Spread(spread**2, 10), 0.0, 0.0) for spread in (0.2, 1.0))
    assert narrow.p_within(1.0) < 0.002 < 0.05 < wide.p_within(1.0)
    assert narrow.p_within(0.05) == 1
    inner = narrow.interval(narrow.p_within(1.0))
    assert max(inner, key=abs) == pytest.approx(1.0)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("arms", [2, 6])
@pytest.mark.parametrize(
    ("of_seeds", "of_sentences", "of_both"), [(0.6, 8.0, 8.0), (1.5, 4.0, 4.0), (0.2, 15.0, 5.0)]
)
def test_intervals_cover_other_seeds_and_other_sentences_at_once(
    arms: int, seeds: int, of_seeds: float, of_sentences: float, of_both: float
) -> None:
    """Scores and gains of known size. Seeds, sentences and their interaction move all arms alike,
    and each arm by itself."""
    draw, sentences, resamples, times = np.random.default_rng(1), 100, 100, 500
    covered = np.zeros(2)
    for _ in range(times):
        of_cells = np.zeros((arms, seeds, sentences))
        for size, shape in (
            (of_seeds, (1, seeds, 1)),
            (of_seeds, (arms, seeds, 1)),
            (of_sentences, (1, 1, sentences)),
            (of_sentences, (arms, 1, sentences)),
            (of_both, (1, seeds, sentences)),
            (of_both, (arms, seeds, sentences)),
        ):
            of_cells += draw.normal(0, size, shape)
        weights = draw.multinomial(sentences, np.full(sentences, 1 / sentences), size=resamples)
        whole = of_cells.mean(-1, keepdims=True)
        drawn = np.concatenate([whole, of_cells @ weights.T / sentences], -1)
        block = Block(drawn[..., 0])
        spread = Spreads([block]).of_gain(0, block.weights(1, 0))
        more = drawn[1] - drawn[0]
        mean = estimate(drawn[0].mean(0), drawn[0], spread_of_mean(drawn[..., 0]))
        gain = estimate(more.mean(0), more, spread)
        covered += [abs(it.mean) <= it.margin(ALPHA) for it in (mean, gain)]
    # Of two arms, two or three seeds that are alike by chance are not taken at their word.
    most = 0.995 if arms == 2 and seeds in (2, 3) else 0.98
    assert all(0.92 <= share <= most for share in covered / times), covered / times


def test_seeds_that_are_alike_by_chance_make_no_interval_of_less_than_sentences() -> None:
    draw = np.random.default_rng(1)
    alike = np.concatenate([np.zeros((2, 1)), draw.normal(0, 1, (2, 1000))], axis=1)
    found = estimate(alike.mean(0), alike, Spread(0.0, 20))
    expected = 1.96 * alike[:, 1:].mean(0).std(ddof=1)
    assert found.margin(ALPHA) == pytest.approx(expected, rel=0.01)


def test_more_arms_tell_more_of_seeds() -> None:
    """Two seeds of one comparison say next to nothing; of six, something."""
    draw = np.random.default_rng(1)
    few, many = list[float](), list[float]()
    for _ in range(200):
        table = scores(draw, 6, 1, 2)[0]
        for widths, arms in ((few, 2), (many, 6)):
            widths.append(gains([table[:arms]])[0][0].margin(ALPHA))
    assert np.median(many) < np.median(few) / 2


def test_more_sizes_tell_more_of_seeds() -> None:
    draw = np.random.default_rng(1)
    widths = [[], []]  # type: list[list[float]]
    for _ in range(200):
        tables = scores(draw, 2, 4, 3)
        for found, sizes in zip(widths, (1, 4), strict=True):
            found.append(gains(tables[:sizes])[0][0].margin(ALPHA))
    assert np.median(widths[1]) < np.median(widths[0]) / 1.3


def test_a_bootstrap_over_three_seeds_would_not() -> None:
    """Why Student's t stands where a bootstrap might."""
    draw, covered, times = np.random.default_rng(1), 0, 1000
    for _ in range(times):
        found = draw.normal(2.0, 1.0, 3)
        means = found[draw.integers(0, 3, (500, 3))].mean(1)
        covered += np.quantile(means, 0.025) <= 2.0 <= np.quantile(means, 0.975)
    assert covered / times < 0.85


def test_p_agrees_with_the_interval() -> None:
    draw = np.random.default_rng(2)
    for shift in np.linspace(-3, 3, 13):
        drawn = shift + draw.normal(0, 1, (3, 1)) + draw.normal(0, 0.5, (1, 200))
        found = estimate(drawn.mean(0), drawn, Spread(1 / 3, 2))
        low, high = found.interval()
        assert (found.p < ALPHA) == (not low <= 0 <= high)
