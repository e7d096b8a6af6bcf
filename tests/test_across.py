"""Comparisons that several experiments share: their means, their words, and their figures."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.report import across
from nmt_ablation.report.write import ACROSS_FIGURES, write
from nmt_ablation.results.across import Pooled, pool
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import Gain
from tests import rows

Z = 1.959964


def experiment(name: str, gains: Sequence[float], error: float = 0.3, seeds: int = 3) -> Results:
    """Return an experiment with two gains of an arm, at 100 and 9,000 pairs."""
    means = []
    for pairs, more in zip((100, 9000), gains, strict=True):
        ends = more - Z * error, more + Z * error
        gain = Gain(mean=more, low=ends[0], high=ends[1], p_alone=0.5, p=0.5, simultaneous=ends)
        means += [rows.mean(pairs, "random", None, seeds=seeds)]
        means += [
            rows.mean(pairs, "tuned", more, seeds=seeds, gains=dict.fromkeys(rows.METRICS, gain))
        ]
    cells = [rows.cell(row.pairs, row.arm, 9.0) for row in means]
    return rows.results(means, cells, name)


def pooled(*gains: tuple[float, float], error: float = 0.3) -> list[Pooled]:
    """Return what experiments with such gains share."""
    return pool([experiment(f"e{at}", each, error) for at, each in enumerate(gains)])


def test_a_mean_is_that_of_the_method_s_paper() -> None:
    """Equal errors make the mean plain, and the variance between what the noise leaves."""
    (small, large) = pooled((1.0, 5.0), (2.0, 5.1), (3.0, 4.9))
    assert (small.pairs, large.pairs) == (100, 9000)
    assert small.mean and large.mean
    assert small.mean.mean == pytest.approx(2)
    assert small.between**2 == pytest.approx(1 - 0.3**2, abs=1e-4)
    # Student's t with two degrees of freedom, at 0.025 of each side: 4.303.
    half = (small.mean.high - small.mean.low) / 2
    assert half == pytest.approx(4.303 * np.sqrt(1 / 3), rel=1e-3)
    # Experiments that agree by chance don't narrow the interval below their noise.
    assert large.between == pytest.approx(0, abs=1e-4)
    assert (large.mean.high - large.mean.low) / 2 == pytest.approx(4.303 * 0.3 / 3**0.5, rel=1e-3)


def test_experiments_that_differ_are_told_from_ones_that_do_not() -> None:
    (unlike, alike) = pooled((0.0, 2.0), (4.0, 2.2), (9.0, 1.9))
    assert unlike.p_alike < 0.001 < 0.7 < alike.p_alike
    assert unlike.share > 0.9
    assert alike.share == 0
    assert alike.mean and alike.mean.verdict == "better"
    assert across.sentences([unlike, alike]) == [
        "tuned against random: mean of experiments better at 9,000 pairs and not decided at 100 "
        "pairs; gains differ between experiments at 100 pairs."
    ]


def test_means_cover_the_truth_whatever_experiments_differ_by() -> None:
    draw, covered, total = np.random.default_rng(1), 0, 400
    for _ in range(total):
        spread = draw.choice([0.0, 0.5, 2.0])
        truths = 1 + spread * draw.normal(size=4)
        gains = truths + 0.3 * draw.normal(size=4)
        found, _ = pooled(*((gain, gain) for gain in gains))
        assert found.mean
        covered += found.mean.low <= 1 <= found.mean.high
    assert 0.93 <= covered / total <= 0.99


def test_two_experiments_have_no_mean_and_one_seed_does_not_count() -> None:
    both = pooled((1.0, 1.0), (2.0, 2.0))
    assert [each.mean for each in both] == [None, None]
    assert any("Two experiments have no mean" in note for note in across.notes(both))
    lone = [experiment("a", (1, 1)), experiment("b", (2, 2), seeds=1)]
    assert pool(lone) == []
    assert pool(lone[:1]) == []


def test_arms_that_translate_alike_everywhere_are_equivalent() -> None:
    (found, _) = pooled((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), error=0.0)
    assert found.mean and found.mean.verdict == "equivalent"


def test_p_counts_all_comparisons() -> None:
    gains = (1.0, 1.0), (1.2, 1.2), (1.4, 1.4)
    (one,) = (each for each in pooled(*((gain, gain) for gain, _ in gains)) if each.pairs == 100)
    assert one.mean and one.mean.p == pytest.approx(2 * one.mean.p_alone)
    assert one.mean.simultaneous
    assert one.mean.simultaneous[0] < one.mean.low


def test_contrasts_are_shared_too() -> None:
    def contrasted(name: str) -> Results:
        found = experiment(name, (1.0, 1.0))
        return found.model_copy(update={"contrasts": [rows.contrast(100, "a", "b", 2.0)]})

    found = [each for each in pool([contrasted(name) for name in "xyz"]) if each.other == "b"]
    assert [(each.arm, each.pairs) for each in found] == [("a", 100)]
    labels = [line.label for line in across.lines(found)]
    assert labels == [f"a against b, 100: {name}" for name in ("x", "y", "z", "mean")]


def test_a_report_of_several_experiments_has_it_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = [
        experiment(name, (gain, gain)) for name, gain in zip("xyz", (1, 2, 3), strict=True)
    ]
    write(experiments, tmp_path, "all", "nmt-ablation draw")
    said = capsys.readouterr().out
    assert "Across experiments" in said
    assert "…" not in said
    for kind in ACROSS_FIGURES:
        assert (tmp_path / f"all.{kind}").stat().st_size > 1000
    with (tmp_path / "all.across.csv").open() as file:
        (first, _) = csv.DictReader(file)
    assert first["experiments"] == "x y z"
    assert float(first["gain"]) == pytest.approx(2)
    for kind in ("html", "md"):
        text = (tmp_path / f"all.{kind}").read_text()
        assert "Across experiments" in text
        assert "not drawn at random" in text
    write(experiments[:1], tmp_path / "one", "one", "nmt-ablation report")
    assert not list((tmp_path / "one").glob("*across*"))
    assert "Across experiments" not in (tmp_path / "one" / "one.html").read_text()
