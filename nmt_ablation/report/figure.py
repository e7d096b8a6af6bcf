"""BLEU against corpus size, an arm a line, and the gains below."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nmt_ablation.report.results import Row

# Okabe and Ito's colours (2008) are told apart by colour-blind people; lines and markers differ
# too, for grey prints.
COLOURS = (
    *("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#6F4BB0", "#7A4A2B", "#7F7F7F"),  # theirs are eight, one of them too pale for a line
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", ":", "-", "--", "-.", ":", "-", "--")


def draw(
    summaries: list[Row], rows: list[Row], baseline: str, title: str, png: Path, svg: Path
) -> None:
    """Write the figure: means with their 95% bands, and a point for each cell.

    Hollow points are trainings that ended with their budget.
    """
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    # Without these, two drawings of the same numbers differ in their bytes.
    plt.rcParams.update({"svg.hashsalt": "nmt-ablation", "svg.fonttype": "none"})
    figure, (scores, gains) = plt.subplots(
        2, 1, sharex=True, figsize=(7, 6.5), height_ratios=(3, 2), layout="constrained"
    )
    for at, arm in enumerate(arms):
        style = at % len(COLOURS)
        means = [row for row in summaries if row["arm"] == arm]
        of_arm = [row for row in rows if row["arm"] == arm]
        _line(scores, means, of_arm, "bleu", style, arm)
        compared = [row for row in of_arm if row["gain_bleu"] is not None]
        if arm != baseline and compared:
            _line(gains, means, compared, "gain_bleu", style, arm)
    gains.axhline(0, color="#000000", linewidth=0.8)
    scores.set(title=title, ylabel="BLEU", ylim=(0, None))
    gains.set(ylabel=f"gain over {baseline}", xlabel="sentence pairs for training", xscale="log")
    pairs = sorted({row["pairs"] for row in rows})
    gains.set_xticks(pairs, [f"{n:,}" for n in pairs])
    gains.minorticks_off()
    for axes in (scores, gains):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = scores.get_legend_handles_labels()
    if any(row["ended_by"] == "budget" for row in rows):
        hollow = Line2D([], [], color="#666666", marker="o", linestyle="", fillstyle="none")
        handles, labels = [*handles, hollow], [*labels, "ended by its budget, may still improve"]
    scores.legend(handles, labels, frameon=False)
    figure.savefig(png, dpi=200, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _line(axes: Axes, means: list[Row], rows: list[Row], key: str, style: int, label: str) -> None:
    """A line through the means over seeds in its band, and a point for each seed."""
    sizes = [row["pairs"] for row in means]
    axes.plot(
        sizes,
        [row[key] for row in means],
        color=COLOURS[style],
        linestyle=LINES[style],
        marker=MARKERS[style],
        markersize=0,
        label=label,
    )
    axes.fill_between(
        sizes,
        [row[f"{key}_low"] for row in means],
        [row[f"{key}_high"] for row in means],
        color=COLOURS[style],
        alpha=0.12,
        linewidth=0,
    )
    for row in rows:
        hollow = row["ended_by"] == "budget"
        axes.plot(
            row["pairs"],
            row[key],
            color=COLOURS[style],
            marker=MARKERS[style],
            markersize=6,
            markerfacecolor="#ffffff" if hollow else COLOURS[style],
        )
