"""The figure of gains against what they cost, a panel for each size."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nmt_ablation.report.figure import look_of, tidy
from nmt_ablation.results.cost import Cost, by_size
from nmt_ablation.results.results import Results, arms_of

PANELS_ACROSS = 3


def draw(experiments: Sequence[Results]) -> Figure | None:
    """Draw the experiments whose arms differ in more than the cost of training; return None if
    there are none."""
    arms = arms_of(experiments)
    panels = [(results, of) for results in experiments for of in by_size(results).values()]
    if not panels:
        return None
    across = min(len(panels), PANELS_ACROSS)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(4 + 4 * across, 2 + 3.5 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axes, (results, found) in zip(grid.flat, panels, strict=False):
        for cost in found:
            _draw_cost(cost, arms, axes)
        axes.axhline(0, color="#000000", linewidth=0.8)
        axes.set(
            title=f"{results.name}, {found[0].pairs:,} pairs",
            xlabel="core-seconds a cell",
            ylabel=f"gain over {results.baseline}, {results.measure.label}",
        )
        axes.set_xlim(left=0)
        tidy(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    used = dict.fromkeys(cost.arm for _, found in panels for cost in found)
    said = _parameters([cost for _, found in panels for cost in found])
    shown = {
        f"{arm}{said.get(arm, '')}": Line2D([], [], **look_of(arms, arm) | {"linestyle": ""})
        for arm in used
    }
    shown["with all of its pretraining"] = Line2D(
        [], [], color="#666666", marker="o", linestyle="", fillstyle="none"
    )
    figure.legend(
        shown.values(),
        shown.keys(),
        loc="outside lower center",
        ncols=2 + 2 * across,
        frameon=False,
    )
    return figure


def _parameters(costs: Sequence[Cost]) -> dict[str, str]:
    """Say how many parameters each arm has, and how many learn, if arms differ in that."""
    found: dict[str, set[tuple[int, int]]] = {}
    for cost in costs:
        if cost.learned is None:  # earlier reports count shared ones twice
            return {}
        found.setdefault(cost.arm, set()).add((cost.parameters, cost.learned))
    if len(set().union(*found.values())) == 1 or any(len(of) > 1 for of in found.values()):
        return {}
    said = {}
    for arm, ((parameters, learned),) in found.items():
        learning = "" if learned == parameters else f", {learned / 1e6:.1f}M learn"
        said[arm] = f" ({parameters / 1e6:.1f}M parameters{learning})"
    return said


def _draw_cost(cost: Cost, arms: Sequence[str], axes: Axes) -> None:
    """Draw an arm: filled at its share of pretraining, hollow at all of it."""
    look = look_of(arms, cost.arm) | {"linestyle": ""}
    if cost.gain:
        axes.vlines(cost.shared, *cost.gain.interval, color=look["color"], alpha=0.4)
    if cost.pretraining:
        axes.hlines(cost.more, cost.shared, cost.alone, color=look["color"], linewidth=0.8)
        axes.plot(cost.alone, cost.more, **look, markerfacecolor="#ffffff", markersize=6)
    axes.plot(cost.shared, cost.more, **look, markersize=6)
