"""Two translations of one test set beside each other: two files, or two cells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from nmt_ablation.corpus.text import read_lines, stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import METRICS, Pipeline
from nmt_ablation.report import results
from nmt_ablation.report.summary import MOST, agreement
from nmt_ablation.report.table import p_value
from nmt_ablation.scoring import check, compare, resampled, score
from nmt_ablation.statistics import Interval, interval
from nmt_ablation.workspace import Workspace

NAMES = {"bleu": "BLEU", "chrf": "chrF"}


@dataclass(frozen=True)
class Difference:
    """Of two systems, by one metric."""

    metric: str
    scores: tuple[float, float]
    gain: Interval
    """Of the second over the first, for other sentences."""
    p: float
    """By bootstrap."""
    p_ar: float
    """By approximate randomisation."""
    signature: str


def of_files(one: Path, other: Path, reference: Path, bleu_tokenizer: str) -> list[Difference]:
    """Of two files of translations, a line each.

    Raises:
        UserError: one has not as many lines as the reference.
    """
    check(bleu_tokenizer)
    references = read_lines(reference)
    systems = [read_lines(path) for path in (one, other)]
    for path, lines in zip((one, other), systems, strict=True):
        if len(lines) != len(references):
            raise UserError(
                f"{path}: has {len(lines):,} lines, and {reference} has {len(references):,}: each "
                "line of a translation stands for the same line of the reference"
            )
    return _differences(systems, references, bleu_tokenizer)


def of_cells(pipeline: Pipeline, workspace: Workspace, one: str, other: str) -> list[Difference]:
    """Of two finished cells, if nothing but their arms differs.

    Raises:
        UserError: there is no such cell, it is not finished, or they can't be compared.
    """
    cells = [_finished(pipeline, workspace, name) for name in (one, other)]
    first, second = (results.cell_row(pipeline, workspace, cell) for cell in cells)
    results.gate(first, second, results.SIGNATURES | results.PAIRING)
    systems = [
        list(stream_lines(workspace.path(pipeline.translate(cell)) / "hypotheses.txt"))
        for cell in cells
    ]
    test = workspace.path(pipeline.hold_out()) / f"test.{pipeline.experiment.target}"
    bleu_tokenizer = pipeline.experiment.scoring.bleu_tokenizer
    return _differences(systems, list(stream_lines(test)), bleu_tokenizer)


def as_rich(differences: Sequence[Difference], one: str, other: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    names = ("", one, other, "difference (95% interval)", "p", "p, randomised")
    for name in names:
        table.add_column(name, justify="right" if name else "left")
    for found in differences:
        gain = found.gain
        table.add_row(
            NAMES[found.metric],
            *(f"{score:.1f}" for score in found.scores),
            f"{gain.mean:+.1f} ({gain.low:+.1f} to {gain.high:+.1f})",
            p_value(found.p),
            p_value(found.p_ar),
        )
    return table


def notes(differences: Sequence[Difference]) -> Iterator[str]:
    """What the numbers mean, and how they were counted."""
    bleu = differences[0].gain.mean
    share = agreement(bleu)
    yield (
        f"Of two systems that differ by {abs(bleu):.1f} BLEU, people prefer the better one in "
        f"{'more than ' if share >= MOST else ''}{share:.0%} of cases (Kocmi et al. 2024)."
    )
    yield (
        "Intervals and p (paired bootstrap; approximate randomisation) speak of other sentences, "
        "not of other seeds."
    )
    for found in differences:
        yield f"{NAMES[found.metric]}: {found.signature}"


def _differences(
    systems: Sequence[list[str]], references: list[str], bleu_tokenizer: str
) -> list[Difference]:
    scores = [score(system, references, bleu_tokenizer) for system in systems]
    tests = compare(systems[0], systems[1], references, bleu_tokenizer)
    drawn = resampled(systems, references, bleu_tokenizer)
    return [
        Difference(
            metric,
            (scores[0][metric], scores[1][metric]),
            interval(drawn[metric][1:] - drawn[metric][:1], None),
            tests[metric]["p"],
            tests[metric]["p_ar"],
            scores[0][f"{metric}_signature"],
        )
        for metric in METRICS
    ]


def _finished(pipeline: Pipeline, workspace: Workspace, name: str) -> Cell:
    cell = pipeline.file.cell(name)
    if not workspace.done(pipeline.score(cell)):
        raise UserError(f"{name} is not finished yet: nmt-ablation run --cell {name}")
    return cell
