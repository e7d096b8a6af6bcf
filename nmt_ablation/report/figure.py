"""BLEU against corpus size, an arm a line, and the gains below."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nmt_ablation.report import curve
from nmt_ablation.report.findings import Findings
from nmt_ablation.report.results import Row

# Okabe and Ito's colours (2008) are told apart by colour-blind people; lines and markers differ
# too, for grey prints.
COLOURS = (
    *("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#6F4BB0", "#7A4A2B", "#7F7F7F"),  # theirs are eight, one of them too pale for a line
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", ":", "-", "--", "-.", ":", "-", "--")

FIT_WIDTH = 0.8
BESIDE = 0.008
"""Share of the span of sizes by which an arm stands beside the one before, so that points don't
hide each other."""
CLOSE, LONE_SPAN = 1.1, 10.0
"""The largest over the smallest size: up to the first all are as one, which gets the second."""
ROW_INCHES = 0.25


def draw(experiments: Sequence[Findings], paths: Sequence[Path]) -> None:
    """Write the figure, in the kinds that the paths' suffixes say (png, svg, pdf).

    Experiments stand side by side on the same scales, and an arm looks the same in each of them.
    Lines go through means in their 95% bands, and end where only others have a size; a mean that
    stands alone has its interval as a bar;
    each cell is a point, hollow if its training ended with its budget; where a curve's form can be
    told it is drawn thin, and beyond the data too. Arms stand a little beside each other.
    Arms that have one size, where others have several, are no curves: they are listed below, each
    gain with its interval and those of its seeds.
    """
    # Without these, two drawings of the same numbers differ in their bytes; 42 embeds fonts as
    # journals want them.
    plt.rcParams.update(
        {"svg.hashsalt": "nmt-ablation", "svg.fonttype": "none", "pdf.fonttype": 42}
    )
    arms = list(dict.fromkeys(arm for findings in experiments for arm in findings.arms))
    curves = [arm for arm in arms if any(arm in findings.curves for findings in experiments)]
    listed = [findings.listed for findings in experiments]
    heights = [3.0, 2.0]
    if any(listed):
        heights.append(0.5 + ROW_INCHES * max(map(len, listed)))
    figure, panels = plt.subplots(
        len(heights),
        len(experiments),
        squeeze=False,
        figsize=(2 + 5 * len(experiments), 1.5 + sum(heights)),
        height_ratios=heights,
        layout="constrained",
    )
    pairs = [row["pairs"] for findings in experiments for row in findings.cells] or [1]
    span = max(pairs) / min(pairs)
    span = span if span > CLOSE else LONE_SPAN
    fits = False
    for column, findings, rows in zip(panels.T, experiments, listed, strict=True):
        scores, gains = column[:2]
        scores.sharey(panels[0, 0])
        gains.sharey(panels[1, 0])
        gains.sharex(scores)
        scores.tick_params(labelbottom=False)
        fits |= _draw_curves(findings, arms, curves, span, scores, gains)
        if rows:
            _draw_list(findings, rows, arms, column[2])
            column[2].set_ylim(max(map(len, listed)) - 0.5, -0.5)
        elif any(listed):
            column[2].set_visible(False)
    ends = [end for axes in panels[1] for end in axes.get_xlim()]
    middle, width = (min(ends) * max(ends)) ** 0.5, max(max(ends) / min(ends), span) ** 0.5
    for axes in panels[1]:
        axes.set_xlim(middle / width, middle * width)
    for axes in panels[:2, 1:].flat:
        axes.tick_params(labelleft=False)
    panels[0, 0].set(ylabel="BLEU", ylim=(0, None))
    shown = {arm: Line2D([], [], **_style(arms, arm)) for arm in curves}
    if any(row["ended_by"] == "budget" for each in experiments for row in each.cells):
        shown["ended by its budget, may still improve"] = Line2D(
            [], [], color="#666666", marker="o", linestyle="", fillstyle="none"
        )
    if fits:
        shown["fitted, and beyond the data"] = Line2D([], [], color="#666666", linewidth=FIT_WIDTH)
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    metadata: dict[str, dict[str, str | None]] = {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    for path in paths:
        figure.savefig(path, dpi=200, metadata=metadata[path.suffix])
    plt.close(figure)


def _draw_curves(
    findings: Findings,
    arms: Sequence[str],
    curves: Sequence[str],
    span: float,
    scores: Axes,
    gains: Axes,
) -> bool:
    """Scores and gains of one experiment, in axes of their own; whether fits are among them.

    `span` is the largest of all experiments' sizes over the smallest.
    """
    fits, sizes = False, sorted({row["pairs"] for row in findings.cells})
    for arm in findings.curves:
        style = _style(arms, arm)
        beside = span ** (BESIDE * (curves.index(arm) - (len(curves) - 1) / 2))
        means = [row for row in findings.means if row["arm"] == arm]
        cells = [row for row in findings.cells if row["arm"] == arm]
        _lines(scores, findings.runs(arm, "bleu"), cells, "bleu", style, beside)
        if fit := curve.fitted(means):
            scores.plot(*zip(*fit, strict=True), color=style["color"], linewidth=FIT_WIDTH)
            fits = True
        compared = [row for row in cells if row["gain_bleu"] is not None]
        if arm != findings.baseline and compared:
            _lines(gains, findings.runs(arm, "gain_bleu"), compared, "gain_bleu", style, beside)
    gains.axhline(0, color="#000000", linewidth=0.8)
    scores.set(title=f"{findings.name} ({findings.pair})")
    gains.set(
        ylabel=f"gain over {findings.baseline}",
        xlabel="sentence pairs for training",
        xscale="log",
    )
    gains.set_xticks(sizes, [f"{size:,}" for size in sizes])
    gains.minorticks_off()
    for axes in (scores, gains):
        _tidy(axes)
    return fits


def _draw_list(findings: Findings, rows: Sequence[Row], arms: Sequence[str], axes: Axes) -> None:
    """Gains below each other: means with their intervals as bars, and a small point a seed."""
    for at, row in enumerate(rows):
        style = _style(arms, row["arm"]) | {"linestyle": ""}
        axes.hlines(at, row["gain_bleu_low"], row["gain_bleu_high"], color=style["color"])
        axes.plot(row["gain_bleu"], at, **style, markersize=7)
        for cell in findings.compared(row):
            _point(axes, cell["gain_bleu"], at, cell, style, markersize=3)
    several = len({row["size"] for row in rows}) > 1
    names = [f"{row['arm']}, {row['pairs']:,}" if several else row["arm"] for row in rows]
    at_size = "" if several else f" at {rows[0]['pairs']:,} pairs"
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlabel=f"gain over {findings.baseline}{at_size}, BLEU")
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _style(arms: Sequence[str], arm: str) -> dict[str, Any]:
    """How an arm's line and points look; where colours come again, lines and markers are others."""
    turn, at = divmod(arms.index(arm), len(COLOURS))
    other = (at + 3 * turn) % len(COLOURS)
    return {"color": COLOURS[at], "linestyle": LINES[other], "marker": MARKERS[other]}


def _lines(
    axes: Axes,
    runs: list[list[Row]],
    rows: list[Row],
    key: str,
    style: dict[str, Any],
    beside: float,
) -> None:
    """A line through each run of means over seeds in its band, and a point for each seed; all of it
    at so many times the number of pairs."""
    for means in runs:
        sizes = [row["pairs"] * beside for row in means]
        values, low, high = ([row[f"{key}{end}"] for row in means] for end in ("", "_low", "_high"))
        axes.plot(sizes, values, **style | {"marker": ""})
        if len(means) == 1:
            axes.vlines(sizes, low, high, color=style["color"], alpha=0.4)
        else:
            axes.fill_between(sizes, low, high, color=style["color"], alpha=0.12, linewidth=0)
    for row in rows:
        _point(axes, row["pairs"] * beside, row[key], row, style, markersize=6)


def _point(
    axes: Axes, x: float, y: float, cell: Row, style: dict[str, Any], markersize: float
) -> None:
    """A cell; hollow if its training ended with its budget."""
    fill = "#ffffff" if cell["ended_by"] == "budget" else style["color"]
    axes.plot(x, y, **style, markersize=markersize, markerfacecolor=fill)
