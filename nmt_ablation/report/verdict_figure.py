"""The figure of verdicts: arms by sizes, each cell by colour and sign, with the gain in figures."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from nmt_ablation.report.words import SIGNS, WORDS, verdict_text
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import Verdict
from nmt_ablation.results.verdict import VERDICTS, Decision, decide

# Blue and orange, which colour-blind people can distinguish; signs say the same in grey.
COLOURS: Mapping[Verdict, str] = {
    "better": "#8fc3e8",
    "worse": "#f2b38a",
    "equivalent": "#d9d9d9",
    "open": "#ffffff",
}
CELL = 0.85, 0.3
"""Width and height of a cell, in inches."""
LETTER = 0.085
"""Width of a letter of an arm's name, in inches."""


def draw(experiments: Sequence[Results]) -> Figure | None:
    """Draw the experiments one below the other; return None if nothing is compared yet."""
    drawn = [(results, decisions) for results in experiments if (decisions := decide(results))]
    if not drawn:
        return None
    heights = [len(decisions) + 2 for _, decisions in drawn]
    sizes = max(len(_sizes(decisions)) for _, decisions in drawn)
    longest = max(len(it.arm) for _, decisions in drawn for it in decisions)
    width, height = 0.6 + LETTER * longest + CELL[0] * sizes, 0.6 + CELL[1] * sum(heights)
    figure = Figure(figsize=(max(width, 3.6), height), layout="constrained")
    panels = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (results, decisions) in zip(panels, drawn, strict=True):
        _draw_matrix(results, decisions, axes)
    shown = [
        Patch(facecolor=COLOURS[kind], edgecolor="#888888", label=f"{SIGNS[kind]} {WORDS[kind]}")
        for kind in VERDICTS
    ]
    figure.legend(handles=shown, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _sizes(decisions: Sequence[Decision]) -> list[int]:
    return sorted({row.pairs for decision in decisions for row in decision.rows})


def _draw_matrix(results: Results, decisions: Sequence[Decision], axes: Axes) -> None:
    sizes = _sizes(decisions)
    for y, decision in enumerate(decisions):
        for row in decision.rows:
            gain, x = row.gains[decision.metric], sizes.index(row.pairs)
            colour = COLOURS[gain.verdict]
            cell = Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, facecolor=colour, edgecolor="#888888")
            axes.add_patch(cell)
            text = verdict_text(gain, results.measure.decimals)
            axes.text(x, y, text, ha="center", va="center", fontsize=9)
    axes.set(
        title=f"{results.name}: gain over {results.baseline}, {results.measure.label}",
        xlabel="sentence pairs",
        xlim=(-0.5, len(sizes) - 0.5),
        ylim=(len(decisions) - 0.5, -0.5),
    )
    axes.title.set_fontsize(10)
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_yticks(range(len(decisions)), [decision.arm for decision in decisions])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
