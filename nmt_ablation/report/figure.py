"""The figure: scores against corpus size, a line for each arm, and the gains below."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nmt_ablation.report import curves
from nmt_ablation.report.curves import CellPoint, Curve, Listed
from nmt_ablation.results.results import Results, arms_of

# The colours are Okabe and Ito's (2008), which colour-blind people can distinguish. Lines and
# markers differ too, for print in grey.
COLOURS = (
    *("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#6F4BB0", "#7A4A2B", "#7F7F7F"),  # ours: they have eight, one of them too pale for a line
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", ":", "-", "--", "-.", ":", "-", "--")

FIT_WIDTH = 0.8
BESIDE = 0.008
"""The shift from one arm to the next as a share of the span of sizes, so that points don't hide
each other."""
CLOSE, LONE_SPAN = 1.1, 10.0
"""Ratios of the largest to the smallest size: up to the first, sizes count as one, and the axis
spans the second."""
ROW_INCHES = 0.25


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure, in the formats of the paths' suffixes (png, svg, pdf)."""
    metadata: dict[str, dict[str, str | None]] = {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    # Without a salt, two drawings of the same numbers differ in their bytes. Type 42 embeds fonts
    # as journals require.
    with rc_context({"svg.hashsalt": "nmt-ablation", "svg.fonttype": "none", "pdf.fonttype": 42}):
        for path in paths:
            figure.savefig(path, dpi=200, metadata=metadata[path.suffix])


def draw(experiments: Sequence[Results]) -> Figure:
    """Draw experiments side by side on the same scales. An arm looks the same in all of them."""
    arms = arms_of(experiments)
    drawn = curves.of_all(experiments)
    listed = [curves.listed(results) for results in experiments]
    heights = [3.0, 2.0]
    if any(listed):
        heights.append(0.5 + ROW_INCHES * max(map(len, listed)))
    size = 2 + 5 * len(experiments), 1.5 + sum(heights)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(heights), len(experiments), squeeze=False, height_ratios=heights)
    pairs = [row.pairs for results in experiments for row in results.cells]
    span = max(pairs) / min(pairs)
    span = span if span > CLOSE else LONE_SPAN
    fits = False
    for column, results, rows in zip(panels.T, experiments, listed, strict=True):
        upper, lower = column[:2]
        upper.sharey(panels[0, 0])
        lower.sharey(panels[1, 0])
        lower.sharex(upper)
        upper.tick_params(labelbottom=False)
        of_scores = curves.scores(results, drawn)
        fits |= any(each.fit for each in of_scores)
        _draw_curves(of_scores, arms, span, upper)
        for name, value in curves.levels(results).items():
            upper.axhline(value, color="#666666", linewidth=1, linestyle=(0, (6, 3)))
            upper.annotate(
                f"{name}, as it is",
                (1, value),
                xycoords=upper.get_yaxis_transform(),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                color="#444444",
            )
        _draw_curves(curves.gains(results, drawn), arms, span, lower)
        _label(results, upper, lower)
        if rows:
            _draw_list(results, rows, arms, column[2])
            column[2].set_ylim(max(map(len, listed)) - 0.5, -0.5)
        elif any(listed):
            column[2].set_visible(False)
    ends = [end for axes in panels[1] for end in axes.get_xlim()]
    middle, width = (min(ends) * max(ends)) ** 0.5, max(max(ends) / min(ends), span) ** 0.5
    for axes in panels[1]:
        axes.set_xlim(middle / width, middle * width)
    for axes in panels[:2, 1:].flat:
        axes.tick_params(labelleft=False)
    measure = experiments[0].measure
    panels[0, 0].set(ylabel=measure.label)
    if measure.lowest == 0:
        panels[0, 0].set(ylim=(0, None))
    shown = {arm: Line2D([], [], **look_of(arms, arm)) for arm in drawn}
    if any(row.by_budget for each in experiments for row in each.cells):
        shown["ended by its budget, may still improve"] = Line2D(
            [], [], color="#666666", marker="o", linestyle="", fillstyle="none"
        )
    if fits:
        shown["fitted, and beyond the data"] = Line2D([], [], color="#666666", linewidth=FIT_WIDTH)
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_curves(drawn: Sequence[Curve], arms: Sequence[str], span: float, axes: Axes) -> None:
    """Draw curves into axes of their own.

    Args:
        span: the ratio of the largest to the smallest size of all experiments.
    """
    for each in drawn:
        style, beside = look_of(arms, each.arm), span ** (BESIDE * each.beside)
        for run in each.runs:
            sizes = [mean.pairs * beside for mean in run]
            low, high = [mean.low for mean in run], [mean.high for mean in run]
            axes.plot(sizes, [mean.value for mean in run], **style | {"marker": ""})
            if len(run) == 1:
                axes.vlines(sizes, low, high, color=style["color"], alpha=0.4)
            else:
                axes.fill_between(sizes, low, high, color=style["color"], alpha=0.12, linewidth=0)
        for point in each.points:
            _point(axes, point.pairs * beside, point.value, point, style, markersize=6)
        if each.fit:
            axes.plot(*zip(*each.fit, strict=True), color=style["color"], linewidth=FIT_WIDTH)


def _label(results: Results, scores: Axes, gains: Axes) -> None:
    sizes = sorted({row.pairs for row in results.cells})
    gains.axhline(0, color="#000000", linewidth=0.8)
    scores.set(title=f"{results.name} ({results.pair})")
    gains.set(
        ylabel=f"gain over {results.baseline}",
        xlabel="sentence pairs for training",
        xscale="log",
    )
    gains.set_xticks(sizes, [f"{size:,}" for size in sizes])
    gains.minorticks_off()
    for axes in (scores, gains):
        tidy(axes)


def _draw_list(results: Results, rows: Sequence[Listed], arms: Sequence[str], axes: Axes) -> None:
    """Draw gains one below the other: means with intervals as bars, and a small point a seed."""
    for at, row in enumerate(rows):
        style = look_of(arms, row.arm) | {"linestyle": ""}
        axes.hlines(at, row.mean.low, row.mean.high, color=style["color"])
        axes.plot(row.mean.value, at, **style, markersize=7)
        for point in row.points:
            _point(axes, point.value, at, point, style, markersize=3)
    several = len({row.pairs for row in rows}) > 1
    names = [f"{row.arm}, {row.pairs:,}" if several else row.arm for row in rows]
    at_size = "" if several else f" at {rows[0].pairs:,} pairs"
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlabel=f"gain over {results.baseline}{at_size}, {results.measure.label}")
    tidy(axes)


def tidy(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def look_of(arms: Sequence[str], arm: str) -> dict[str, Any]:
    """Return an arm's style. Arms that share a colour have other lines and markers."""
    turn, at = divmod(arms.index(arm), len(COLOURS))
    other = (at + 3 * turn) % len(COLOURS)
    return {"color": COLOURS[at], "linestyle": LINES[other], "marker": MARKERS[other]}


def _point(
    axes: Axes, x: float, y: float, point: CellPoint, style: dict[str, Any], markersize: float
) -> None:
    """Draw a cell as a point, hollow if the budget ended its training."""
    fill = "#ffffff" if point.cell.by_budget else style["color"]
    axes.plot(x, y, **style, markersize=markersize, markerfacecolor=fill)
