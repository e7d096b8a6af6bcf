"""Comparison of two translations of one test set, by each metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_ablation.corpus.text import read_lines
from nmt_ablation.errors import UserError
from nmt_ablation.results.statistics import Estimate, estimate
from nmt_ablation.scoring.metric import Measure, Metric
from nmt_ablation.scoring.resample import PairedTest, compare, resampled
from nmt_ablation.scoring.score import score


@dataclass(frozen=True)
class Difference:
    """The difference between two systems by one metric."""

    measure: Measure
    scores: tuple[float, float]
    gain: Estimate
    """The gain of the second system over the first, with an interval over test sentences."""
    test: PairedTest
    signature: str


def of_files(
    one: Path, other: Path, reference: Path, metrics: Mapping[str, Metric]
) -> list[Difference]:
    """Compare two files of translations, a line each.

    Raises:
        UserError: a file has another number of lines than the reference.
    """
    for metric in metrics.values():
        metric.check()
    references = read_lines(reference)
    systems = [read_lines(path) for path in (one, other)]
    for path, lines in zip((one, other), systems, strict=True):
        if len(lines) != len(references):
            raise UserError(
                f"{path}: has {len(lines):,} lines, and {reference} has {len(references):,}: each "
                "line of a translation stands for the same line of the reference"
            )
    return differences(systems, references, references, metrics)


def differences(
    systems: Sequence[Sequence[str]],
    references: Sequence[str],
    sources: Sequence[str],
    metrics: Mapping[str, Metric],
) -> list[Difference]:
    """Compare two systems' translations by each metric."""
    (first, of_first), (second, of_second) = (
        score(metrics, system, references, sources) for system in systems
    )
    tests = compare(metrics, of_first, of_second)
    drawn, others = resampled(metrics, of_first), resampled(metrics, of_second)
    found = []
    for name, metric in metrics.items():
        more = others[name] - drawn[name]
        gain = more if metric.measure.higher_is_better else -more
        found.append(
            Difference(
                metric.measure,
                (first.scores[name].value, second.scores[name].value),
                estimate(gain, gain[None], None),
                tests[name],
                first.scores[name].signature,
            )
        )
    return found
