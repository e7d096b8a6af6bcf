"""The figure of what analyses found in models: a row of panels for each quantity, with a line for
each arm over its places, or a map for each arm of a quantity between two places."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from nmt_ablation.report.figure import look_of, tidy
from nmt_ablation.results.results import Results, arms_of
from nmt_ablation.results.rows import Finding

LETTERS = 130
"""Letters of a line below panels."""
HEIGHT = 3.4
"""The height of a row of panels, in inches."""
MAP_COLOURS = "cividis"
"""A colour map that colour-blind people can read, and that is legible in grey."""


@dataclass(frozen=True)
class Quantity:
    """All findings of one quantity, by size in pairs and arm."""

    heading: str
    says: str
    """A sentence on what it shows, and one on what it doesn't."""
    found: dict[tuple[int, str], list[Finding]]

    @property
    def sizes(self) -> list[int]:
        return sorted({pairs for pairs, _ in self.found})

    @property
    def places(self) -> list[str]:
        return list(dict.fromkeys(it.place for of in self.found.values() for it in of))

    @property
    def between(self) -> bool:
        """True if its findings are between two places."""
        return any(it.other for of in self.found.values() for it in of)


def draw(experiments: Sequence[Results]) -> Figure | None:
    """Draw all analyses; return None if none was made."""
    rows = [it for results in experiments for it in quantities(results)]
    if not rows:
        return None
    arms = arms_of(experiments)
    across = max(len(it.found) if it.between else len(it.sizes) for it in rows)
    figure = Figure(figsize=(max(8, 2.2 * across), HEIGHT * len(rows) + 0.6), layout="constrained")
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    said = [it.says for it in rows]
    for number, (part, quantity) in enumerate(zip(parts, rows, strict=True)):
        part.suptitle(quantity.heading, fontsize="medium")
        if quantity.says not in said[number + 1 :]:  # once, below the last of an analysis
            part.supxlabel("\n".join(textwrap.wrap(quantity.says, LETTERS)), fontsize="x-small")
        if quantity.between:
            _draw_maps(quantity, arms, part)
        else:
            _draw_lines(quantity, arms, part)
    used = [arm for arm in arms if any(arm == of for it in rows for _, of in it.found)]
    shown = {arm: Line2D([], [], **look_of(arms, arm)) for arm in used}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=6, frameon=False)
    return figure


def quantities(results: Results) -> list[Quantity]:
    """Return the quantities of an experiment's analyses that are of several places."""
    found: dict[tuple[str, str], Quantity] = {}
    for name, analysis in results.analyses.items():
        says = f"{analysis.shows} {analysis.hides}"
        for row in results.cells:
            for it in row.findings.get(name, ()):
                heading = f"{results.name}: {analysis.title}, {it.measure}"
                of = found.setdefault((name, it.measure), Quantity(heading, says, {})).found
                of.setdefault((row.pairs, row.arm), []).append(it)
    return [it for it in found.values() if len(it.places) > 1]


def _draw_lines(quantity: Quantity, arms: Sequence[str], part: SubFigure) -> None:
    panels = part.subplots(1, len(quantity.sizes), squeeze=False, sharey=True)[0]
    places = quantity.places
    for axes, pairs in zip(panels, quantity.sizes, strict=True):
        for arm in arms:
            values = _means(quantity.found.get((pairs, arm), []))
            at = [number for number, place in enumerate(places) if (place, "") in values]
            look = look_of(arms, arm)
            axes.plot(at, [values[places[it], ""] for it in at], **look, alpha=0.8)
            for it in quantity.found.get((pairs, arm), []):
                if it.interval:
                    axes.vlines(
                        places.index(it.place), *it.interval, color=look["color"], alpha=0.3
                    )
        axes.set_xticks(range(len(places)), places, rotation=40, ha="right", fontsize="x-small")
        axes.set_title(f"{pairs:,} pairs", fontsize="small")
        tidy(axes)


def _draw_maps(quantity: Quantity, arms: Sequence[str], part: SubFigure) -> None:
    order = sorted(quantity.found, key=lambda of: (of[0], arms.index(of[1])))
    panels = part.subplots(1, len(order), squeeze=False, sharey=True)[0]
    places = quantity.places
    for axes, (pairs, arm) in zip(panels, order, strict=True):
        means = _means(quantity.found[pairs, arm])
        values = np.full((len(places), len(places)), np.nan)
        for (place, other), value in means.items():
            values[places.index(place), places.index(other)] = value
        axes.imshow(values, MAP_COLOURS, vmin=0, vmax=1)
        _write_numbers(values, axes)
        axes.set_xticks(range(len(places)), places, rotation=60, ha="right", fontsize="x-small")
        axes.set_yticks(range(len(places)), places, fontsize="x-small")
        axes.set_title(f"{arm}, {pairs:,}", fontsize="small")
    part.colorbar(ScalarMappable(Normalize(0, 1), MAP_COLOURS), ax=panels, shrink=0.8)


def _write_numbers(values: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", axes: Axes) -> None:
    """Write each number into its field, as far as there is room."""
    if len(values) > 8:
        return
    for (down, along), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.1f}".removeprefix("0")
            ink = "#ffffff" if value < 0.5 else "#000000"
            axes.text(along, down, text, ha="center", va="center", color=ink, fontsize=6)


def _means(findings: Sequence[Finding]) -> dict[tuple[str, str], float]:
    """Return the means over seeds, by both places."""
    values: dict[tuple[str, str], list[float]] = {}
    for it in findings:
        values.setdefault((it.place, it.other), []).append(it.value)
    return {both: fmean(of) for both, of in values.items()}
