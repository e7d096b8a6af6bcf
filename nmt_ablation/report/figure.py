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
BESIDE = 1.02
"""Factor by which an arm stands beside the one before, so that points don't hide each other."""


def draw(experiments: Sequence[Findings], paths: Sequence[Path]) -> None:
    """Write the figure, in the kinds that the paths' suffixes say (png, svg, pdf).

    Experiments stand side by side on the same scales, and an arm looks the same in each of them.
    Lines go through means in their 95% bands, a mean that stands alone has its interval as a bar;
    each cell is a point, hollow if its training ended with its budget; where a curve's form can be
    told it is drawn thin, and beyond the data too. Arms stand a little beside each other.
    """
    arms = list(dict.fromkeys(arm for findings in experiments for arm in findings.arms))
    # Without these, two drawings of the same numbers differ in their bytes; 42 embeds fonts as
    # journals want them.
    plt.rcParams.update(
        {"svg.hashsalt": "nmt-ablation", "svg.fonttype": "none", "pdf.fonttype": 42}
    )
    figure, panels = plt.subplots(
        2,
        len(experiments),
        sharex="col",
        sharey="row",
        squeeze=False,
        figsize=(2 + 5 * len(experiments), 6.5),
        height_ratios=(3, 2),
        layout="constrained",
    )
    fits = [
        _draw_one(findings, arms, scores, gains)
        for findings, (scores, gains) in zip(experiments, panels.T, strict=True)
    ]
    panels[0, 0].set(ylabel="BLEU", ylim=(0, None))
    shown = {arm: Line2D([], [], **_style(arms, arm)) for arm in arms}
    if any(row["ended_by"] == "budget" for each in experiments for row in each.cells):
        shown["ended by its budget, may still improve"] = Line2D(
            [], [], color="#666666", marker="o", linestyle="", fillstyle="none"
        )
    if any(fits):
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


def _draw_one(findings: Findings, arms: Sequence[str], scores: Axes, gains: Axes) -> bool:
    """Scores and gains of one experiment, in axes of their own; whether fits are among them."""
    fits = False
    for arm in findings.arms:
        style = _style(arms, arm)
        beside = BESIDE ** (arms.index(arm) - (len(arms) - 1) / 2)
        means = [row for row in findings.means if row["arm"] == arm]
        cells = [row for row in findings.cells if row["arm"] == arm]
        _line(scores, means, cells, "bleu", style, beside)
        if fit := curve.fitted(means):
            scores.plot(*zip(*fit, strict=True), color=style["color"], linewidth=FIT_WIDTH)
            fits = True
        compared = [row for row in cells if row["gain_bleu"] is not None]
        if arm != findings.baseline and compared:
            _line(gains, means, compared, "gain_bleu", style, beside)
    gains.axhline(0, color="#000000", linewidth=0.8)
    scores.set(title=f"{findings.name} ({findings.pair})")
    gains.set(
        ylabel=f"gain over {findings.baseline}",
        xlabel="sentence pairs for training",
        xscale="log",
    )
    sizes = sorted({row["pairs"] for row in findings.cells})
    gains.set_xticks(sizes, [f"{size:,}" for size in sizes])
    gains.minorticks_off()
    for axes in (scores, gains):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return fits


def _style(arms: Sequence[str], arm: str) -> dict[str, Any]:
    """How an arm's line and points look; where colours come again, lines and markers are others."""
    turn, at = divmod(arms.index(arm), len(COLOURS))
    other = (at + 3 * turn) % len(COLOURS)
    return {"color": COLOURS[at], "linestyle": LINES[other], "marker": MARKERS[other]}


def _line(
    axes: Axes, means: list[Row], rows: list[Row], key: str, style: dict[str, Any], beside: float
) -> None:
    """A line through the means over seeds in its band, and a point for each seed; all of it at so
    many times the number of pairs."""
    sizes = [row["pairs"] * beside for row in means]
    values, low, high = ([row[f"{key}{end}"] for row in means] for end in ("", "_low", "_high"))
    axes.plot(sizes, values, **style | {"marker": ""})
    if len(means) == 1:
        axes.vlines(sizes, low, high, color=style["color"], alpha=0.4)
    else:
        axes.fill_between(sizes, low, high, color=style["color"], alpha=0.12, linewidth=0)
    for row in rows:
        fill = "#ffffff" if row["ended_by"] == "budget" else style["color"]
        axes.plot(row["pairs"] * beside, row[key], **style, markersize=6, markerfacecolor=fill)
