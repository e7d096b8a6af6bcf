"""The report as one HTML file that opens offline: the verdict first, then all that bears it out."""

import difflib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from nmt_ablation import __version__, references
from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.report.chart import Chart, Point, Series
from nmt_ablation.report.results import Row
from nmt_ablation.report.summary import agreement
from nmt_ablation.workspace import Workspace

EXAMPLES = 6
"""Test sentences that are shown of each size."""
STYLES = 10
"""Colours of the page; with more arms they come again with other dashes."""


@dataclass(frozen=True)
class Word:
    """Of a translation."""

    text: str
    differs: bool
    """From the reference."""


@dataclass(frozen=True)
class Example:
    """A test sentence, and what the arms made of it."""

    pairs: int
    source: str
    reference: str
    hypotheses: dict[str, list[Word]]


def page(
    pipeline: Pipeline,
    workspace: Workspace,
    rows: Sequence[Row],
    summaries: Sequence[Row],
    corpora: Sequence[Row],
    sentences: Sequence[str],
    command: str,
) -> str:
    """The whole page.

    Args:
        rows: the finished cells; `summaries` their means, `corpora` how their data came about.
        sentences: the verdict, and what else is to be said before anything is shown.
        command: that makes it.
    """
    experiment = pipeline.experiment
    # What a corpus says is shown, never run: everything that is filled in is escaped.
    environment = Environment(
        loader=PackageLoader("nmt_ablation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    return environment.get_template("page.html.j2").render(
        experiment=experiment,
        sentences=sentences,
        charts=[
            _scores(summaries, rows, arms),
            _gains(summaries, rows, arms, experiment.baseline),
        ],
        trainings=list(_trainings(rows, arms)),
        arms=arms,
        rows=rows,
        summaries=summaries,
        corpora=corpora,
        examples=list(_examples(pipeline, workspace, rows)),
        agreement=agreement,
        cited=references.as_text(experiment, references.entries()).splitlines(),
        command=command,
        version=__version__,
        missing=len(experiment.cells()) - len(rows),
        styles=STYLES,
    )


def _scores(summaries: Sequence[Row], rows: Sequence[Row], arms: Sequence[str]) -> Chart:
    series = _by_size(summaries, rows, arms, "bleu", "{:.1f} BLEU")
    labels = "BLEU against corpus size", "sentence pairs for training", "BLEU"
    return Chart(*labels, series, log_x=True, from_zero=True)


def _gains(
    summaries: Sequence[Row], rows: Sequence[Row], arms: Sequence[str], baseline: str
) -> Chart:
    compared = [row for row in rows if row["gain_bleu"] is not None and row["arm"] != baseline]
    series = _by_size(summaries, compared, arms, "gain_bleu", "{:+.1f} BLEU")
    series = [one for one in series if one.points]
    labels = f"Gain over {baseline}", "sentence pairs for training", "difference in BLEU"
    return Chart(*labels, series, log_x=True, from_zero=True)


def _by_size(
    summaries: Sequence[Row], rows: Sequence[Row], arms: Sequence[str], key: str, form: str
) -> list[Series]:
    series = []
    for style, arm in enumerate(arms):
        means = [row for row in summaries if row["arm"] == arm and row[key] is not None]
        points = [
            Point(
                row["pairs"],
                row[key],
                f"{arm}, {row['pairs']:,} pairs, seed {row['seed']}: {form.format(row[key])}, "
                f"{row['updates']:,} updates, ended by {row['ended_by']}. {row['bleu_signature']}",
                hollow=row["ended_by"] == "budget",
            )
            for row in rows
            if row["arm"] == arm
        ]
        line = [(row["pairs"], row[key]) for row in means]
        band = [(row["pairs"], row[f"{key}_low"], row[f"{key}_high"]) for row in means]
        series.append(Series(arm, style, line, band, points))
    return series


def _trainings(rows: Sequence[Row], arms: Sequence[str]) -> Iterator[Chart]:
    """BLEU on the valid set while it was trained, a chart for each size, of the first seed."""
    first = min(row["seed"] for row in rows)
    for pairs in sorted({row["pairs"] for row in rows}):
        series = [
            Series(
                row["arm"],
                arms.index(row["arm"]),
                [(look["update"], look["bleu"]) for look in row["valid"]],
            )
            for row in rows
            if row["pairs"] == pairs and row["seed"] == first and row["valid"]
        ]
        if series:
            labels = f"{pairs:,} pairs, seed {first}", "updates", "BLEU on the valid set"
            yield Chart(*labels, series, from_zero=True)


def _examples(pipeline: Pipeline, workspace: Workspace, rows: Sequence[Row]) -> Iterator[Example]:
    """Some of the test set, drawn by chance and not by how they look: the same at each size."""
    experiment = pipeline.experiment
    test = workspace.path(pipeline.hold_out())
    sources, texts = (
        list(stream_lines(test / f"test.{language}"))
        for language in (experiment.source, experiment.target)
    )
    chosen = sorted(random.Random(1).sample(range(len(texts)), min(EXAMPLES, len(texts))))
    sizes = sorted({(row["pairs"], row["size"]) for row in rows}, key=lambda pair: pair[0])
    seed = min(row["seed"] for row in rows)
    for pairs, size in dict.fromkeys([sizes[0], sizes[-1]]):
        cells = {
            row["arm"]: Cell(size=size, arm=row["arm"], seed=seed)
            for row in rows
            if (row["size"], row["seed"]) == (size, seed)
        }
        found = {
            arm: list(stream_lines(workspace.path(pipeline.translate(cell)) / "hypotheses.txt"))
            for arm, cell in cells.items()
        }
        for at in chosen:
            hypotheses = {arm: _words(lines[at], texts[at]) for arm, lines in found.items()}
            yield Example(pairs, sources[at], texts[at], hypotheses)


def _words(hypothesis: str, reference: str) -> list[Word]:
    """A hypothesis in words, with those marked that the reference doesn't have there."""
    mine, theirs = hypothesis.split(), reference.split()
    same = set[int]()
    matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
    for start, _, length in matcher.get_matching_blocks():
        same.update(range(start, start + length))
    return [Word(word, at not in same) for at, word in enumerate(mine)]
