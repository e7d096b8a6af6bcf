"""Numbers and lists in words, for sentences and tables."""

import math
from collections.abc import Mapping, Sequence

from nmt_ablation.results.curve import Estimate
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import Gain, MeanRow, Verdict

WORDS: Mapping[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "open": "not decided",
}
SIGNS: Mapping[Verdict, str] = {"better": "▲", "worse": "▼", "equivalent": "≈", "open": "?"}


def verdict_text(gain: Gain, decimals: int) -> str:
    """Return the sign of a gain's verdict, and the gain."""
    rounded = round(gain.mean, decimals) + 0.0  # no -0.0
    return f"{SIGNS[gain.verdict]} {rounded:+.{decimals}f}"


def corrected(results: Results) -> str:
    """Return the correction of comparisons with the baseline, in words."""
    counts = results.design.verdict.looks
    if not counts:
        return f"{results.correction}'s correction"
    return f"a simulated correction for looks at {listed(list(map(str, counts)))} seeds and"


def listed(parts: Sequence[str]) -> str:
    """Return parts as "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def by_sizes(found: Mapping[Verdict, Sequence[int]]) -> str:
    """Return the sizes, in pairs, of each verdict."""
    return listed([f"{WORDS[kind]} at {pairs(sizes)}" for kind, sizes in found.items() if sizes])


def pairs(sizes: Sequence[int]) -> str:
    """Return sizes as "500 and 1,000 pairs"."""
    return f"{listed([f'{size:,}' for size in sizes])} pairs"


def ends(found: Estimate, means: Sequence[MeanRow]) -> str:
    """Return an estimate's interval in pairs."""
    return " to ".join(dict.fromkeys(read_off(end, means) for end in (found.low, found.high)))


def read_off(pairs: float, means: Sequence[MeanRow]) -> str:
    """Return a size that was interpolated between the sizes of some means, with two digits.

    Sizes outside the data are only called below or beyond.
    """
    if pairs == 0:
        return f"below {means[0].pairs:,}"
    if pairs == math.inf:
        return f"beyond {means[-1].pairs:,}"
    rounded = float(f"{pairs:.2g}")
    return f"{min(max(rounded, means[0].pairs), means[-1].pairs):,.0f}"
