"""What a report says in words: where vectors help, and no more than the numbers allow."""

import math
from collections.abc import Sequence

from nmt_ablation.report import curve
from nmt_ablation.report.findings import Findings
from nmt_ablation.report.results import Row
from nmt_ablation.statistics import SURE


def said(findings: Findings) -> list[str]:
    """All of it: the verdict, then a line for each curve that something can be said of."""
    if not findings.cells:
        return [f"No cell of {findings.name} is finished yet."]
    means = findings.means
    first = verdict(means, findings.cells, findings.baseline, findings.comparisons)
    lines = [*curves(means, findings.baseline), *contrasts(findings.contrasts), *fits(means)]
    return [first, *lines, *precisions(findings.cells)]


def verdict(summaries: Sequence[Row], rows: Sequence[Row], baseline: str, comparisons: int) -> str:
    """What the finished cells say about each arm.

    Args:
        summaries: of sizes in ascending order (see `summary`).
        rows: the cells they are made of.
        comparisons: that p is corrected for.
    """
    compared = [row for row in summaries if row["arm"] != baseline]
    arms = list(dict.fromkeys(row["arm"] for row in compared))
    if not arms:
        return "No arm can be compared with the baseline yet."
    clauses = []
    doubtful: dict[tuple[int, ...], list[str]] = {}
    for arm in arms:
        of_arm = [row for row in compared if row["arm"] == arm]
        if any(row["gain_bleu_p"] < SURE for row in of_arm):
            clauses.append(_clause(arm, of_arm))
        else:
            doubtful.setdefault(tuple(row["pairs"] for row in of_arm), []).append(arm)
    for sizes, alike in doubtful.items():
        at = _list([f"{size:,}" for size in sizes])
        clauses.append(f"{_list(alike)} can't be told from it at {at} pairs")
    seeds = sorted({row["seeds"] for row in compared})
    sentences = f"{rows[0]['test_sentences']:,} test sentences"
    spread = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    if seeds == [1]:
        basis = f"95% intervals over {sentences}; one seed, so other seeds may differ"
    else:
        basis = f"95% intervals over {spread} seeds and {sentences}"
    if comparisons > 1:
        basis += f"; a doubt is p ≥ {SURE} after correction for {comparisons} comparisons"
    short = sum(row["ended_by"] == "budget" for row in rows)
    if short:
        basis += (
            f"; the budget ended {short} of {len(rows)} trainings before patience did, "
            "and gains shrink as training goes on"
        )
    return f"Against {baseline}, {'; '.join(clauses)} ({basis})."


def _clause(arm: str, summaries: Sequence[Row]) -> str:
    sure = [row for row in summaries if row["gain_bleu_p"] < SURE]
    parts = []
    for what, of in (
        ("gains", [row for row in sure if row["gain_bleu"] > 0]),
        ("loses", [row for row in sure if row["gain_bleu"] < 0]),
    ):
        if of:
            listed = [
                f"{abs(row['gain_bleu']):.1f} BLEU {_interval(row)} at {row['pairs']:,}"
                for row in of
            ]
            parts.append(f"{what} {_list(listed)} pairs")
    doubtful = [
        f"{row['gain_bleu']:+.1f} {_interval(row)} at {row['pairs']:,}"
        for row in summaries
        if row not in sure
    ]
    if doubtful:
        parts.append(f"is in doubt with {_list(doubtful)} pairs")
    return f"{arm} {_list(parts)}"


def _interval(row: Row) -> str:
    """Of a gain; of a loss as a loss."""
    ends = [row["gain_bleu_low"], row["gain_bleu_high"]]
    if row["gain_bleu_p"] < SURE and row["gain_bleu"] < 0:
        ends = [-ends[1], -ends[0]]
    return f"({ends[0]:.1f} to {ends[1]:.1f})"


def _list(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def curves(summaries: list[Row], baseline: str) -> list[str]:
    """For each arm at three sizes or more: where its gain ends, where it is largest, and how many
    pairs the baseline would need; a line each."""
    lines = []
    of_arms: dict[str, list[Row]] = {}
    for row in summaries:
        of_arms.setdefault(row["arm"], []).append(row)
    for arm, means in of_arms.items():
        if arm == baseline or len(means) < 3:
            continue
        best = max(means, key=lambda row: row["gain_bleu"])
        line = f"{arm}: {_crossover(curve.crossover(means), means)}"
        if best["gain_bleu"] > 0:
            line += (
                f"; its estimate is largest at {best['pairs']:,} pairs, where {baseline} has "
                f"{best['bleu'] - best['gain_bleu']:.1f} BLEU"
            )
        worth = [
            f"{_worth(curve.equivalent(of_arms[baseline], row), of_arms[baseline])} "
            f"at {row['pairs']:,}"
            for row in means
        ]
        lines.append(f"{line}. To match it, {baseline} needs {_list(worth)} pairs.")
    return lines


def contrasts(found: Sequence[Row]) -> list[str]:
    """For each two arms that are compared with each other what the first is better by; a line
    each."""
    lines = []
    for arm, other in dict.fromkeys((row["arm"], row["other"]) for row in found):
        parts = []
        for row in found:
            if (row["arm"], row["other"]) == (arm, other):
                ends = f"{row['gain_bleu_low']:+.1f} to {row['gain_bleu_high']:+.1f}"
                doubt = "" if row["gain_bleu_p"] < SURE else "; a doubt"
                parts.append(f"{row['gain_bleu']:+.1f} BLEU ({ends}{doubt}) at {row['pairs']:,}")
        lines.append(f"{arm} against {other}: {_list(parts)} pairs.")
    return lines


def fits(summaries: list[Row]) -> list[str]:
    """The form of each arm's curve, where there are sizes enough to tell; a line each."""
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in summaries):
        means = [row for row in summaries if row["arm"] == arm]
        if found := curve.fit_means(means):
            far = curve.BEYOND * means[-1]["pairs"]
            (then,) = found([far])
            numbers = ", ".join(f"{number:.3g}" for number in found.parameters)
            lines.append(
                f"{arm}: {found.form.name}, {found.form.formula}, with {numbers}; off by "
                f"{found.error:.1f} BLEU at sizes it wasn't shown; {then:.1f} BLEU at {far:,} "
                "pairs, if it holds there"
            )
    return lines


def precisions(rows: Sequence[Row]) -> list[str]:
    """In which cells were trained, where that isn't the same for all."""
    sizes: dict[str, dict[str, None]] = {}
    for row in rows:
        sizes.setdefault(row.get("precision", ""), {})[f"{row['pairs']:,}"] = None
    if len(sizes) < 2:
        return []
    trained = [f"in {precision} at {_list(list(at))}" for precision, at in sizes.items()]
    return [f"Trained {_list(trained)} pairs: what is said of several sizes mixes these."]


def _crossover(found: curve.Estimate, means: list[Row]) -> str:
    if (found.low, found.high) == (0, math.inf):
        return "where its gain ends can't be told from these sizes"
    interval = f"(95% interval: {_ends(found, means)} pairs)"
    if found.at == 0:
        return f"its gain is never positive {interval}"
    if found.at == math.inf:
        return f"its gain doesn't end within the data {interval}"
    return f"its gain ends at {_size(found.at, means)} pairs {interval}"


def _worth(found: curve.Estimate, means: list[Row]) -> str:
    at, ends = _size(found.at, means), _ends(found, means)
    return at if at == ends else f"{at} ({ends})"


def _ends(found: curve.Estimate, means: list[Row]) -> str:
    return " to ".join(dict.fromkeys(_size(end, means) for end in (found.low, found.high)))


def _size(pairs: float, means: list[Row]) -> str:
    """Read off a line between sizes, which tells no more than two digits, nor of others."""
    if pairs == 0:
        return f"below {means[0]['pairs']:,}"
    if pairs == math.inf:
        return f"beyond {means[-1]['pairs']:,}"
    rounded = float(f"{pairs:.2g}")
    return f"{min(max(rounded, means[0]['pairs']), means[-1]['pairs']):,.0f}"
