"""Drop the pairs that no model should learn from, and count what each rule took."""

from collections.abc import Callable, Iterable, Iterator

from nmt_ablation.corpus.text import Pair, normal_form, tidy
from nmt_ablation.experiment import Cleaning

Filter = Callable[[Pair, Cleaning], bool]
"""Whether a pair stays."""


def _too_many_tokens(pair: Pair, limits: Cleaning) -> bool:
    return all(len(line.split()) <= limits.max_tokens for line in pair)


def _too_many_characters(pair: Pair, limits: Cleaning) -> bool:
    return all(len(line) <= limits.max_characters for line in pair)


def _sides_too_unlike(pair: Pair, limits: Cleaning) -> bool:
    short, long = sorted(map(len, pair))
    return long <= limits.max_ratio * short


# In order: a pair is counted by the first that drops it.
FILTERS: dict[str, Filter] = {
    "empty side": lambda pair, _: all(pair),
    "too many tokens": _too_many_tokens,
    "too many characters": _too_many_characters,
    "sides too unlike in length": _sides_too_unlike,
    "sides the same": lambda pair, _: pair[0] != pair[1],
}
EXAMPLES = 3


class Cleaner:
    """Yields what passes, and keeps count of the rest."""

    def __init__(self, limits: Cleaning) -> None:
        self.limits = limits
        self.read = 0
        self.kept = 0
        self.dropped = dict.fromkeys(("not UTF-8", *FILTERS), 0)
        self.examples: dict[str, list[Pair]] = {name: [] for name in FILTERS}

    def pairs(self, pairs: Iterable[Pair | None]) -> Iterator[Pair]:
        """Tidy pairs that pass every filter."""
        for raw in pairs:
            self.read += 1
            if raw is None:
                self.dropped["not UTF-8"] += 1
                continue
            pair = tidy(raw[0]), tidy(raw[1])
            for name, passes in FILTERS.items():
                if not passes(pair, self.limits):
                    self.dropped[name] += 1
                    if len(self.examples[name]) < EXAMPLES:
                        self.examples[name].append(pair)
                    break
            else:
                self.kept += 1
                yield pair


class TextCleaner:
    """Cleans text in one language, of which no line may be held out."""

    def __init__(self, held_out: set[str]) -> None:
        self.held_out = held_out
        """Normal forms."""
        self.counts = {"read": 0, "kept": 0, "not UTF-8 or empty": 0, "dropped_as_leaks": 0}

    def lines(self, lines: Iterable[str | None]) -> Iterator[str]:
        """Tidy lines that say something and are not held out."""
        for raw in lines:
            line = tidy(raw or "")
            if not line:
                fate = "not UTF-8 or empty"
            elif normal_form(line) in self.held_out:
                fate = "dropped_as_leaks"
            else:
                fate = "kept"
            self.counts["read"] += 1
            self.counts[fate] += 1
            if fate == "kept":
                yield line
