"""The curve in a terminal, in characters."""

import string
from collections.abc import Mapping

import plotext
from rich.text import Text

COLOURS = ("default", "blue", "red", "green", "magenta", "yellow", "cyan")
HEIGHT = 18
WIDTH = 78


def curve(arms: Mapping[str, Mapping[int, float]]) -> Text:
    """BLEU against the number of pairs, on a log axis: each arm's points as a letter of its own.

    Args:
        arms: of each, its score at each number of pairs.
    """
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(WIDTH, HEIGHT)
    plotext.xscale("log")
    for at, (arm, scores) in enumerate(arms.items()):
        x, y = sorted(scores), [scores[pairs] for pairs in sorted(scores)]
        colour = COLOURS[at % len(COLOURS)]
        letter = string.ascii_letters[at % len(string.ascii_letters)]
        plotext.plot(x, y, marker="braille", color=colour)
        plotext.scatter(x, y, marker=letter, color=colour, label=arm)
    sizes = sorted({pairs for scores in arms.values() for pairs in scores})
    plotext.xticks(sizes, [f"{pairs:,}" for pairs in sizes])
    plotext.xlabel("pairs")
    plotext.ylabel("BLEU")
    return Text.from_ansi(plotext.build())
