"""The figure of verdicts: arms in families by sizes, each cell by colour and sign, with the gain in
figures."""

from collections.abc import Mapping, Sequence
from itertools import groupby

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


Line = str | Decision
"""A line of a matrix: a family's heading, or the decisions on an arm."""


def draw(experiments: Sequence[Results]) -> Figure | None:
    """Draw the experiments one below the other; return None if nothing is compared yet."""
    drawn = [(results, lines) for results in experiments if (lines := _lines(results))]
    if not drawn:
        return None
    heights = [len(lines) + 2 for _, lines in drawn]
    sizes = max(len(_sizes(lines)) for _, lines in drawn)
    longest = max(len(it.arm) for _, lines in drawn for it in _decisions(lines))
    width, height = 0.6 + LETTER * longest + CELL[0] * sizes, 0.6 + CELL[1] * sum(heights)
    figure = Figure(figsize=(max(width, 3.6), height), layout="constrained")
    panels = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (results, lines) in zip(panels, drawn, strict=True):
        _draw_matrix(results, lines, axes)
    shown = [
        Patch(facecolor=COLOURS[kind], edgecolor="#888888", label=f"{SIGNS[kind]} {WORDS[kind]}")
        for kind in VERDICTS
    ]
    figure.legend(handles=shown, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _lines(results: Results) -> list[Line]:
    """Return the decisions below the headings of their families, if there are several."""
    arms = results.design.arms
    families = {
        what: list(decisions)
        for what, decisions in groupby(decide(results), lambda it: arms[it.arm].what)
    }
    found = list[Line]()
    for what, decisions in families.items():
        if len(families) > 1:
            found.append(f"from {what}")
        found += decisions
    return found


def _decisions(lines: Sequence[Line]) -> list[Decision]:
    return [line for line in lines if isinstance(line, Decision)]


def _sizes(lines: Sequence[Line]) -> list[int]:
    return sorted({row.pairs for decision in _decisions(lines) for row in decision.rows})


def _draw_matrix(results: Results, lines: Sequence[Line], axes: Axes) -> None:
    sizes = _sizes(lines)
    for y, line in enumerate(lines):
        if isinstance(line, Decision):
            _draw_decision(results, line, y, sizes, axes)
    axes.set(
        title=f"{results.name}: gain over {results.baseline}, {results.measure.label}",
        xlabel="sentence pairs",
        xlim=(-0.5, len(sizes) - 0.5),
        ylim=(len(lines) - 0.5, -0.5),
    )
    axes.title.set_fontsize(10)
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    names = [line.arm if isinstance(line, Decision) else line for line in lines]
    axes.set_yticks(range(len(lines)), names)
    for line, label in zip(lines, axes.get_yticklabels(), strict=True):
        if not isinstance(line, Decision):
            label.set(fontstyle="italic", color="#5a5a5a")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_decision(
    results: Results, decision: Decision, y: int, sizes: Sequence[int], axes: Axes
) -> None:
    for row in decision.rows:
        gain, x = row.gains[decision.metric], sizes.index(row.pairs)
        colour = COLOURS[gain.verdict]
        cell = Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, facecolor=colour, edgecolor="#888888")
        axes.add_patch(cell)
        text = verdict_text(gain, results.measure.decimals)
        axes.text(x, y, text, ha="center", va="center", fontsize=9)
