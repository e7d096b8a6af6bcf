"""The report as one HTML file that opens offline: the verdict first, then all that bears it out."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from nmt_ablation.report import curve
from nmt_ablation.report.chart import Chart, Point, Series
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
    series = _by_size(findings.means, findings.cells, arms, "bleu", "{:.1f} BLEU")
    labels = "BLEU against corpus size", "sentence pairs for training", "BLEU"
    return Chart(*labels, series, log_x=True, from_zero=True)


def _gains(findings: Findings, arms: Sequence[str]) -> Chart:
    baseline = findings.baseline
    compared = [
        row for row in findings.cells if row["gain_bleu"] is not None and row["arm"] != baseline
    ]
    series = _by_size(findings.means, compared, arms, "gain_bleu", "{:+.1f} BLEU")
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
        if not line and not points:
            continue
        fit = curve.fitted(means) if key == "bleu" else []
        beside = BESIDE * (style - (len(arms) - 1) / 2)
        series.append(Series(arm, style, line, band, points, fit, beside))
    return series


def _trainings(rows: Sequence[Row], arms: Sequence[str]) -> Iterator[Chart]:
    """BLEU on the valid set while it was trained, a chart for each size, of the first seed."""
    first = min((row["seed"] for row in rows), default=None)
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


def _words(hypothesis: str, reference: str) -> list[Word]:
    """A hypothesis in words, with those marked that the reference doesn't have there."""
    mine, theirs = hypothesis.split(), reference.split()
    same = set[int]()
    matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
    for start, _, length in matcher.get_matching_blocks():
        same.update(range(start, start + length))
    return [Word(word, at not in same) for at, word in enumerate(mine)]
