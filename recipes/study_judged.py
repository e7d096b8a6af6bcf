"""Judge the study's predictions (docs/results/study/README.md) by the results that are kept.

  python recipes/study_judged.py docs/results/study/parts >docs/results/study/judged.md

A prediction says that a difference in BLEU is above a bound, below it, or within it to either side.
It is reproduced if all of the difference's 95% interval is there, contradicted if nothing of it is.
"""

import argparse
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_ablation.report.table import p_value
from nmt_ablation.results.files import load
from nmt_ablation.results.join import join
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import ContrastRow, MeanRow
from nmt_ablation.values import Size

REAL, WEAK = "study-strong", "study-weak"
MADE_UP, MADE_UP_STRONG = "study-synthetic", "study-synthetic-strong"

HEAD = """\
# The predictions, judged

What each says, and by which rules it is judged, stands in [the study](README.md); a prediction of
our own is reproduced if it comes out as predicted. Numbers after arms are sentence pairs. 1 to 8
and 12 are of the strong baseline, unless they say weak; 9 to 11, 13 and 14 of made-up text. p tests
whether there is a difference, whatever is predicted, and is corrected for other comparisons, as
intervals and judgements are not. Intervals of arms with two seeds at 1,000 pairs are too narrow, as
is said there under threats: the last of 7 is to be taken for not decidable.

| | difference in BLEU | predicted | found (95% interval) | corrected p | judged |
| ---: | --- | --- | ---: | ---: | --- |"""


@dataclass(frozen=True)
class Difference:
    """A difference in BLEU with its 95% interval."""

    mean: float
    low: float
    high: float
    p: float | None = None
    """p of no difference, corrected for all such comparisons of its experiment."""

    def __sub__(self, other: "Difference") -> "Difference":
        """Subtract a difference at another size or of another experiment as if it were independent.

        Both share test sentences, on which they rise and fall together, so the interval is rather
        too wide.
        """
        mean = self.mean - other.mean
        wide = math.hypot(self.high - self.low, other.high - other.low) / 2
        return Difference(mean, mean - wide, mean + wide)


@dataclass(frozen=True)
class Prediction:
    """A line of the table of predictions; several may share a number."""

    number: int
    difference: str
    of: "Callable[[Study], Difference]"
    says: str
    low: float = -math.inf
    high: float = math.inf
    """The upper end of the range that is predicted."""

    def judged(self, found: Difference) -> str:
        if self.low <= found.low and found.high <= self.high:
            return "reproduced"
        if found.high < self.low or self.high < found.low:
            return "contradicted"
        return "not decidable"


class Study:
    """The gains and contrasts of the study's experiments.

    Raises:
        KeyError: on anything that isn't trained yet.
    """

    def __init__(self, experiments: Sequence[Results]) -> None:
        self.gains = {
            (each.name, row.size, row.arm): _difference(row)
            for each in experiments
            for row in each.means
            if row.gains
        }
        self.contrasts = {
            (each.name, row.size, row.arm, row.other): _difference(row)
            for each in experiments
            for row in each.contrasts
        }


def _difference(row: MeanRow | ContrastRow) -> Difference:
    gain = row.gains["bleu"]
    return Difference(gain.mean, gain.low, gain.high, gain.p)


def gain(experiment: str, size: Size, arm: str = "finetuned") -> Callable[[Study], Difference]:
    return lambda study: study.gains[experiment, size, arm]


def contrast(experiment: str, size: Size, arm: str, other: str) -> Callable[[Study], Difference]:
    return lambda study: study.contrasts[experiment, size, arm, other]


def less(
    one: Callable[[Study], Difference], other: Callable[[Study], Difference]
) -> Callable[[Study], Difference]:
    return lambda study: one(study) - other(study)


def predictions() -> Iterator[Prediction]:
    """Yield the predictions in the order, and with the bounds, of the README."""

    def above(number: int, text: str, of: Callable[[Study], Difference]) -> Prediction:
        return Prediction(number, text, of, "above 0", low=0)

    def within(
        number: int, text: str, of: Callable[[Study], Difference], bound: float
    ) -> Prediction:
        return Prediction(number, text, of, f"within {bound:g}", low=-bound, high=bound)

    def below(
        number: int, text: str, of: Callable[[Study], Difference], bound: float
    ) -> Prediction:
        return Prediction(number, text, of, f"below {bound:g}", high=bound)

    def at_1000(arm: str, other: str) -> Callable[[Study], Difference]:
        return contrast(REAL, 1000, arm, other)

    yield above(1, "source-only − target-only, 1,000", at_1000("source-only", "target-only"))
    yield above(2, "gain at 500 − gain at all", less(gain(REAL, 500), gain(REAL, "all")))
    yield above(2, "weak: gain at 500 − at 4,000", less(gain(WEAK, 500), gain(WEAK, 4000)))
    yield below(3, "gain at all", gain(REAL, "all"), 1)
    for size, added in ((500, ""), (1000, ""), (4000, " (added afterwards)")):
        more = less(gain(WEAK, size), gain(REAL, size))
        yield above(4, f"weak gain − strong gain, {size:,}{added}", more)
    yield above(5, "finetuned − frozen, 4,000", contrast(REAL, 4000, "finetuned", "frozen"))
    yield above(5, "finetuned − frozen, all", contrast(REAL, "all", "finetuned", "frozen"))
    yield above(5, "gain of frozen, 500", gain(REAL, 500, "frozen"))
    yield within(6, "one-space − finetuned, 1,000", at_1000("one-space", "finetuned"), 1.3)
    yield below(7, "gain of frozen-random, 1,000", gain(REAL, 1000, "frozen-random"), 0)
    for other in ("shuffled", "sample-only"):
        yield above(7, f"finetuned − {other}, 1,000", at_1000("finetuned", other))
    yield within(8, "unfrozen − finetuned, 1,000", at_1000("unfrozen", "finetuned"), 1)
    yield above(8, "tied-finetuned − tied, 1,000", at_1000("tied-finetuned", "tied"))
    fall = less(gain(MADE_UP, 500, "all"), gain(MADE_UP, 300_000, "all"))
    yield above(9, "gain of all at 500 − at 300,000", fall)
    yield below(9, "gain of all, 300,000", gain(MADE_UP, 300_000, "all"), 1)
    for size in (500, 2000):
        for arm, other in (("all", "tenth"), ("tenth", "hundredth")):
            yield above(10, f"{arm} − {other}, {size:,}", contrast(MADE_UP, size, arm, other))
    yield above(11, "all − frequent, 500", contrast(MADE_UP, 500, "all", "frequent"))
    yield within(11, "aligned − all, 500", contrast(MADE_UP, 500, "aligned", "all"), 1)
    yield within(12, "words − finetuned, 1,000", at_1000("words", "finetuned"), 1)
    for size in (500, 2000, 8000):
        more = less(gain(MADE_UP, size, "all"), gain(MADE_UP_STRONG, size, "all"))
        yield above(13, f"gain of all − gain on the stronger baseline, {size:,}", more)
    for name, baseline in ((MADE_UP, ""), (MADE_UP_STRONG, "stronger baseline: ")):
        fall = less(gain(name, 500, "all"), gain(name, 8000, "all"))
        yield above(14, f"{baseline}gain of all at 500 − at 8,000", fall)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", type=Path, help="folder of what nmt-ablation report has written")
    parts = sorted(parser.parse_args().parts.glob("*.jsonl"))
    experiments = join([load(path) for path in parts])
    study = Study(experiments)
    print(HEAD)
    count = Counter[str]()
    for each in predictions():
        try:
            found = each.of(study)
        except KeyError:
            ends, p, judged = "–", "–", "not run"
        else:
            ends = f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
            p = "–" if found.p is None else p_value(found.p)
            judged = each.judged(found)
        count[judged] += 1
        print(f"| {each.number} | {each.difference} | {each.says} | {ends} | {p} | {judged} |")
    rows = ", ".join(f"{number} {judged}" for judged, number in count.most_common())
    print(f"\nOf {count.total()} rows: {rows}.")
    cells = [row for each in experiments for row in each.cells]
    hours = sum(row.training.seconds for row in cells) / 3600
    print(f"{len(cells)} trainings are kept. They took {hours:.0f} hours of a core together.")


if __name__ == "__main__":
    main()
