"""The forest plot of several experiments: the gain in each, and the mean of all."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nmt_ablation.report import across
from nmt_ablation.report.figure import ROW_INCHES, look_of, tidy
from nmt_ablation.results.across import Pooled
from nmt_ablation.results.results import Results, arms_of


def draw(experiments: Sequence[Results], found: Sequence[Pooled]) -> Figure | None:
    """Draw the comparisons one below the other; return None if experiments share none."""
    if not found:
        return None
    arms = arms_of(experiments)
    lines = across.lines(found)
    figure = Figure(figsize=(8, 1.2 + ROW_INCHES * len(lines)), layout="constrained")
    axes = figure.subplots()
    for at, line in enumerate(lines):
        look = look_of(arms, line.arm) | {"linestyle": ""}
        fill = look["color"] if line.of_all else "#ffffff"
        axes.hlines(at, *line.gain.interval, color=look["color"], linewidth=2 if line.of_all else 1)
        axes.plot(line.gain.mean, at, **look, markersize=7, markerfacecolor=fill)
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    for line, label in zip(lines, axes.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if line.of_all else "normal")
    title = f"gain, {experiments[0].measure.label}, with corrected 95% intervals"
    axes.set(xlabel=title, ylim=(len(lines) - 0.5, -0.5))
    tidy(axes)
    shown = {"one experiment": "#ffffff", "mean of experiments": "#666666"}
    handles = [
        Line2D([], [], color="#666666", marker="o", linestyle="", markerfacecolor=fill, label=name)
        for name, fill in shown.items()
    ]
    if any(line.of_all for line in lines):
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure
