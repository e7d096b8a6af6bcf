"""Tables and a curve for a terminal of 80 columns."""

import string
from collections.abc import Sequence

import plotext
from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from nmt_ablation.report.curves import Curve
from nmt_ablation.report.table import Table

COLOURS = ("default", "blue", "red", "green", "magenta", "yellow", "cyan")
HEIGHT = 18
WIDTH = 78


def render(table: Table, title: str = "") -> RichTable:
    """Return a table, with a rule between groups of rows that share their first column."""
    firsts = [line[0].text for line in table.lines]
    grouped = len(set(firsts)) < len(firsts)
    found = RichTable(
        title=title or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    shown = [(at, header) for at, header in enumerate(table.headers) if header.terminal != "no"]
    for _, header in shown:
        justify = "left" if header.left else "right"
        found.add_column(header.text, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for number, line in enumerate(table.lines):
        texts = []
        for at, header in shown:
            entry = line[at]
            mark = entry.mark or ("\xa0" if any(other[at].mark for other in table.lines) else "")
            whole = str(entry) if header.terminal == "whole" else f"{entry.text} {mark}"
            texts.append(whole.rstrip(" "))
        found.add_row(
            *texts, end_section=grouped and firsts[number] not in firsts[number + 1 : number + 2]
        )
    return found


def curve(curves: Sequence[Curve], label: str) -> Text:
    """Return a plot of means against the number of pairs on a logarithmic axis, with a letter for
    each arm.

    Args:
        label: the metric's name.
    """
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(WIDTH, HEIGHT)
    plotext.xscale("log")
    means = {
        each.arm: sorted((mean.pairs, mean.value) for run in each.runs for mean in run)
        for each in curves
    }
    for at, (arm, points) in enumerate(means.items()):
        x, y = [pairs for pairs, _ in points], [score for _, score in points]
        colour = COLOURS[at % len(COLOURS)]
        letter = string.ascii_letters[at % len(string.ascii_letters)]
        plotext.plot(x, y, marker="braille", color=colour)
        plotext.scatter(x, y, marker=letter, color=colour, label=arm)
    sizes = sorted({pairs for points in means.values() for pairs, _ in points})
    plotext.xticks(sizes, [f"{pairs:,}" for pairs in sizes])
    plotext.xlabel("pairs")
    plotext.ylabel(label)
    return Text.from_ansi(plotext.build())
