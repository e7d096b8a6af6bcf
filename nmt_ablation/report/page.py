"""The report as one HTML file that opens offline: the verdict first, then all that bears it out."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from nmt_ablation.report import curve
from nmt_ablation.report.chart import Chart, Forest, ForestRow, Point, Series
from nmt_ablation.report.findings import Example, Findings
from nmt_ablation.report.results import Row
from nmt_ablation.report.table import NOTES, marks_of, p_value, people_agree, text_in_words
from nmt_ablation.report.verdict import said

STYLES = 10
"""Colours of the page; with more arms they come again with other dashes."""

BESIDE = 8
"""By how much an arm's curve stands beside the one before, so that points don't hide each other."""


@dataclass(frozen=True)
class Word:
    """Of a translation."""

    text: str
    differs: bool
    """From the reference."""


@dataclass(frozen=True)
class Section:
    """One experiment of the page."""

    findings: Findings
    sentences: Sequence[str]
    """The verdict, and what is said of each curve."""
    charts: Sequence[Chart]
    forest: Forest | None
    trainings: Sequence[Chart]
    examples: Sequence[tuple[Example, dict[str, list[Word]]]]
    """With the words of each arm's hypothesis."""


def page(experiments: Sequence[Findings], command: str) -> str:
    """The whole page.

    Args:
        command: that makes it.
    """
    # What a corpus says is shown, never run: everything that is filled in is escaped.
    environment = Environment(
        loader=PackageLoader("nmt_ablation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    arms = list(dict.fromkeys(arm for findings in experiments for arm in findings.arms))
    return environment.get_template("page.html.j2").render(
        sections=[_section(findings, arms) for findings in experiments],
        arms=arms,
        people_agree=people_agree,
        marks_of=marks_of,
        text_in_words=text_in_words,
        notes=NOTES.values(),
        p_value=p_value,
        command=command,
        styles=STYLES,
    )


def _section(findings: Findings, arms: Sequence[str]) -> Section:
    return Section(
        findings,
        said(findings),
        [_scores(findings, arms), _gains(findings, arms)] if findings.cells else [],
        _forest(findings, arms) if findings.listed else None,
        list(_trainings(findings.cells, arms)),
        [
            (
                example,
                {arm: _words(it, example.reference) for arm, it in example.hypotheses.items()},
            )
            for example in findings.examples
        ],
    )


def _scores(findings: Findings, arms: Sequence[str]) -> Chart:
    series = _by_size(findings, findings.cells, arms, "bleu", "{:.1f} BLEU")
    labels = "BLEU against corpus size", "sentence pairs for training", "BLEU"
    return Chart(*labels, series, log_x=True, from_zero=True)


def _gains(findings: Findings, arms: Sequence[str]) -> Chart:
    baseline = findings.baseline
    compared = [
        row for row in findings.cells if row["gain_bleu"] is not None and row["arm"] != baseline
    ]
    series = _by_size(findings, compared, arms, "gain_bleu", "{:+.1f} BLEU")
    labels = f"Gain over {baseline}", "sentence pairs for training", "difference in BLEU"
    return Chart(*labels, series, log_x=True, from_zero=True)


def _by_size(
    findings: Findings, cells: Sequence[Row], arms: Sequence[str], key: str, form: str
) -> list[Series]:
    series, curves = [], findings.curves
    for place, arm in enumerate(curves):
        runs = findings.runs(arm, key)
        points = [
            _point(row, row["pairs"], row[key], form.format(row[key]))
            for row in cells
            if row["arm"] == arm
        ]
        if not runs and not points:
            continue
        lines = [[(row["pairs"], row[key]) for row in run] for run in runs]
        bands = [
            [(row["pairs"], row[f"{key}_low"], row[f"{key}_high"]) for row in run] for run in runs
        ]
        fit = curve.fitted([row for run in runs for row in run]) if key == "bleu" else []
        beside = BESIDE * (place - (len(curves) - 1) / 2)
        series.append(Series(arm, arms.index(arm), lines, bands, points, fit, beside))
    return series


def _forest(findings: Findings, arms: Sequence[str]) -> Forest:
    """Of the gains that curves can't show."""
    rows = []
    for at, mean in enumerate(findings.listed):
        points = [
            _point(row, row["gain_bleu"], at, f"{row['gain_bleu']:+.1f} BLEU")
            for row in findings.compared(mean)
        ]
        low, high = mean["gain_bleu_low"], mean["gain_bleu_high"]
        label = f"{mean['arm']}, {mean['pairs']:,} pairs"
        tip = f"{label}: {mean['gain_bleu']:+.1f} BLEU ({low:+.1f} to {high:+.1f})"
        middle = Point(mean["gain_bleu"], at, tip)
        style = arms.index(mean["arm"])
        rows.append(ForestRow(label, mean["arm"], style, middle, low, high, points))
    return Forest(f"Gain over {findings.baseline}, arm by arm", "difference in BLEU", rows)


def _point(cell: Row, x: float, y: float, value: str) -> Point:
    return Point(
        x,
        y,
        f"{cell['arm']}, {cell['pairs']:,} pairs, seed {cell['seed']}: {value}, "
        f"{cell['updates']:,} updates, ended by {cell['ended_by']}. {cell['bleu_signature']}",
        hollow=cell["ended_by"] == "budget",
    )


def _trainings(rows: Sequence[Row], arms: Sequence[str]) -> Iterator[Chart]:
    """BLEU on the valid set while it was trained, a chart for each size, of the first seed."""
    first = min((row["seed"] for row in rows), default=None)
    for pairs in sorted({row["pairs"] for row in rows}):
        series = [
            Series(
                row["arm"],
                arms.index(row["arm"]),
                [[(look["update"], look["bleu"]) for look in row["valid"]]],
            )
            for row in rows
            if row["pairs"] == pairs and row["seed"] == first and row["valid"]
        ]
        if series:
            labels = f"{pairs:,} pairs, seed {first}", "updates", "BLEU on the valid set"
            yield Chart(*labels, series, from_zero=True)


def _words(hypothesis: str, reference: str) -> list[Word]:
    """A hypothesis in words, with those marked that the reference doesn't have there."""
    mine, theirs = hypothesis.split(), reference.split()
    same = set[int]()
    matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
    for start, _, length in matcher.get_matching_blocks():
        same.update(range(start, start + length))
    return [Word(word, at not in same) for at, word in enumerate(mine)]
