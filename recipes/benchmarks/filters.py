"""The decisions of our filters, line by line beside those of OpusFilter's equal ones.

    pip install opusfilter       # into an environment that has this package too
    python recipes/benchmarks/filters.py --mirror DIR LibreOfficeHelp/v7.4.7 TatoebaDeEn/v2018-05-13

Each filter is asked about every pair on its own, with the same threshold. Printed is a table, and
for each pair that one keeps and the other drops, the rule that explains it; pairs that none
explains are shown.
"""

import argparse
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import regex
from opusfilter import filters as theirs  # type: ignore[import-not-found]

from nmt_ablation.corpus.clean import FILTERS, Block
from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.measure import Measure
from nmt_ablation.corpus.read import RawBlock, moses_pairs
from nmt_ablation.corpus.text import Pair, normal_form, tidy

LIMITS = Cleaning()
EQUAL: dict[str, Callable[[], Any]] = {
    "empty side": lambda: theirs.LengthFilter(1, 10**9, "char"),
    "too many tokens": lambda: theirs.LengthFilter(0, LIMITS.max_tokens, "word"),
    "too many characters": lambda: theirs.LengthFilter(0, LIMITS.max_characters, "char"),
    "sides too unlike in length": lambda: theirs.LengthRatioFilter(LIMITS.max_ratio, "char"),
    "copy of the other side": lambda: theirs.SimilarityFilter(1.0),
    "mostly not letters": lambda: theirs.AlphabetRatioFilter(
        LIMITS.min_letters, exclude_whitespace=True
    ),
    "in another script": lambda: theirs.CharacterScoreFilter(
        ["Latin", "Latin"], [LIMITS.min_native] * 2
    ),
}
"""OpusFilter's filters by the names of ours."""
MARKS = regex.compile(r"\p{M}")
NUMERIC_LETTERS = regex.compile(r"[\p{Alphabetic}--[\p{L}\p{M}]]", regex.V1)
SHOWN = 3


def octets(line: str) -> int:
    return len(line.encode())


def unlike(first: float, second: float, ratio: float) -> bool:
    return max(first, second) > ratio * min(first, second)


def letters(line: str) -> float:
    """Return the share of letters and marks, as we count it."""
    solid = [it for it in line if not it.isspace()]
    return sum(unicodedata.category(it)[0] in "LM" for it in solid) / max(1, len(solid))


def explain(name: str, raw: Pair) -> str | None:
    """Return the rule by which a pair is kept by one and dropped by the other, if there is one."""
    tidied = tidy(raw[0]), tidy(raw[1])
    if name == "empty side" and any(not it for it in tidied):
        return "white space and control characters alone are empty to us"
    if name == "copy of the other side":
        if normal_form(raw[0]) == normal_form(raw[1]):
            return "copies but for case, punctuation, spacing or width are copies to us"
        return None
    if name == "sides too unlike in length":
        if min(map(len, raw)) == 0:
            return "a pair with an empty side is dropped before, by us"
        ours = unlike(octets(tidied[0]), octets(tidied[1]), LIMITS.max_ratio)
        if ours != unlike(len(tidied[0]), len(tidied[1]), LIMITS.max_ratio):
            return "we count bytes of UTF-8, they count characters"
        if max(map(len, raw)) == LIMITS.max_ratio * min(map(len, raw)):
            return "a ratio of exactly the threshold is kept by us"
    if tidied != raw:
        return "we tidy before we count: control characters, runs of spaces, Unicode form"
    if name == "mostly not letters":
        if any(MARKS.search(it) for it in raw):
            return "combining marks are letters to us, and only some to them"
        if any(NUMERIC_LETTERS.search(it) for it in raw):
            return "numbers and symbols with the property Alphabetic are letters to them"
    if name == "in another script" and not all(map(letters, raw)):
        return "a side without letters is in no other script, to both"
    return None


def decisions(block: RawBlock, languages: tuple[str, str]) -> tuple[dict[str, Any], list[Pair]]:
    """Return the pairs that each of our filters keeps, and all pairs as they stand."""
    source, target = (
        Measure(language).lines(text)
        for language, text in zip(languages, (block.source, block.target), strict=True)
    )
    made = Block(source, target, block, None, languages, None)
    kept = {name: ~np.asarray(FILTERS[name](made, LIMITS)) for name in EQUAL}
    texts = (side.decode().split("\n")[:-1] for side in (block.source, block.target))
    return kept, list(zip(*texts, strict=True))


def accepted(name: str, pairs: list[Pair]) -> Iterator[bool]:
    """Yield OpusFilter's decision about each pair."""
    found = EQUAL[name]()
    for score in found.score(pairs):
        yield bool(found.accept(score))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--pair", default="de-en")
    parser.add_argument("corpora", nargs="+", metavar="NAME/VERSION")
    given = parser.parse_args()
    source, target = given.pair.split("-")
    languages = source, target
    print("| corpus | pairs | filter | both drop | only we drop | only they drop | explained |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    reasons, odd = Counter[tuple[str, str]](), list[str]()
    for corpus in given.corpora:
        archive = given.mirror / f"OPUS-{corpus}" / "moses" / f"{given.pair}.txt.zip"
        counts: dict[str, Counter[str]] = {name: Counter() for name in EQUAL}
        whole = 0
        for block in moses_pairs(archive, languages, False, lambda *_: None):
            kept, pairs = decisions(block, languages)
            whole += len(pairs)
            for name in EQUAL:
                both = zip(pairs, kept[name].tolist(), accepted(name, pairs), strict=True)
                for pair, ours, their in both:
                    counts[name]["both"] += not ours and not their
                    if ours == their:
                        continue
                    counts[name]["theirs" if ours else "ours"] += 1
                    reason = explain(name, pair)
                    if reason is None:
                        odd.append(f"{corpus}, {name}, {'they' if ours else 'we'} drop: {pair}")
                    else:
                        counts[name]["explained"] += 1
                        reasons[name, reason] += 1
        for name, of in counts.items():
            print(
                f"| {corpus} | {whole:,} | {name} | {of['both']:,} | {of['ours']:,} | "
                f"{of['theirs']:,} | {of['explained']:,} |"
            )
    print()
    for (name, reason), number in reasons.most_common():
        print(f"- {name}: {reason} ({number:,} pairs)")
    print(f"\n{len(odd)} pairs are not explained", *odd[:SHOWN], sep="\n")


if __name__ == "__main__":
    main()
