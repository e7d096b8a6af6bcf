"""Sizes and forms that are read off curves whose truth is known."""

import math

import numpy as np
import pytest

from nmt_ablation.results.curve import FORMS, crossover, equivalent, fit, fit_means
from nmt_ablation.results.rows import Gain, MeanRow, MeanScore
from nmt_ablation.scoring.bleu import Bleu
from nmt_ablation.scoring.ter import Ter

SIZES = [500, 1000, 2000, 4000, 8000, 16000, 29000]


BLEU, TER = Bleu().measure, Ter().measure


def _mean(pairs: int, score: float, gain: float = 0.0, wide: float = 0.2) -> MeanRow:
    return MeanRow(
        size=pairs,
        pairs=pairs,
        arm="a",
        seeds=1,
        scores={"m": MeanScore(mean=score, low=score, high=score)},
        gains={"m": Gain(mean=gain, low=gain - wide, high=gain + wide, p_alone=1, p=1)},
    )


@pytest.mark.parametrize(
    ("at", "parameters"), [(0, (40, 0.9, 8.5)), (1, (45, 4.0, 0.5)), (2, (45, 5.0, 0.25))]
)
def test_the_form_a_curve_was_made_by_is_found_and_foretells_it(
    at: int, parameters: tuple[float, ...]
) -> None:
    truth = FORMS[at].function(np.array(SIZES, dtype=float), *parameters)
    found = fit(SIZES, truth.tolist())
    assert found is not None and found.form is FORMS[at] and found.error < 0.1
    further = FORMS[at].function(np.array([100_000.0]), *parameters)
    assert found([100_000])[0] == pytest.approx(further[0], abs=0.5)
    noisy = truth + np.random.default_rng(1).normal(0, 0.3, len(truth))
    again = fit(SIZES, noisy.tolist())
    assert again is not None and again([60_000])[0] == pytest.approx(
        FORMS[at].function(np.array([60_000.0]), *parameters)[0], abs=3
    )


def test_scores_near_the_top_are_fitted_too() -> None:
    assert fit(SIZES[:5], [20, 40, 55, 65, 70.0]) is not None


def test_few_sizes_are_not_fitted() -> None:
    assert fit(SIZES[:4], [1, 2, 3, 4]) is None


def test_a_gain_ends_where_its_line_meets_nothing() -> None:
    gains = [4, 3, 2, 1, -1, -2, -2]
    found = crossover([_mean(n, 10, gain) for n, gain in zip(SIZES, gains, strict=True)], "m")
    assert found.at == pytest.approx(math.sqrt(4000 * 8000))
    assert 4000 < found.low < found.at < found.high < 8000


def test_a_gain_may_not_end_within_the_data_or_never_begin() -> None:
    assert crossover([_mean(n, 10, 2) for n in SIZES], "m").at == math.inf
    none = crossover([_mean(n, 10, -2) for n in SIZES], "m")
    assert (none.at, none.high) == (0, 0)
    unsure = crossover([_mean(n, 10, 0.1, wide=3) for n in SIZES], "m")
    assert unsure.low < 29000 and unsure.high == math.inf


def test_crossover_intervals_cover_the_truth() -> None:
    """A gain that falls by one for each doubling of the pairs, seen with noise."""
    draw, covered, times, wide = np.random.default_rng(1), 0, 200, 0.8
    x = np.log2(np.array(SIZES) / 5000)
    for _ in range(times):
        gains = -x + draw.normal(0, wide / 1.96, len(x))
        rows = [_mean(n, 10, float(gain), wide) for n, gain in zip(SIZES, gains, strict=True)]
        found = crossover(rows, "m")
        covered += found.low <= 5000 <= found.high
    assert covered / times >= 0.9


def test_equivalent_data_is_read_off_the_baselines_line() -> None:
    baseline = [_mean(1000, 10), _mean(4000, 20), _mean(16000, 30)]
    for size, score, pairs in (
        (1000, 20, 4000),
        (1000, 15, 2000),
        (4000, 20, 4000),
        (16000, 31, math.inf),
        (1000, 5, 0),
    ):
        assert equivalent(baseline, _mean(size, score), "m", BLEU).at == pytest.approx(pairs)
    found = equivalent(baseline, _mean(1000, 15, gain=7, wide=5), "m", BLEU)  # 10 to 20
    assert [found.low, found.high] == pytest.approx([1000, 4000])


def test_of_a_metric_that_falls_less_is_better_and_no_curve_of_the_literature_is_fitted() -> None:
    baseline = [_mean(1000, 90), _mean(4000, 80), _mean(16000, 70)]
    assert equivalent(baseline, _mean(1000, 85, gain=5), "m", TER).at == pytest.approx(2000)
    assert equivalent(baseline, _mean(16000, 60, gain=10), "m", TER).at == math.inf
    rising = [_mean(size, score) for size, score in zip(SIZES[:5], range(10, 60, 10), strict=True)]
    assert fit_means(rising, "m", BLEU) is not None
    assert fit_means(rising, "m", TER) is None
