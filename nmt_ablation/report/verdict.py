"""One sentence that says where vectors help, and no more than the numbers allow."""

from collections.abc import Sequence

from nmt_ablation.report.results import Row

LEVEL = 0.05


def verdict(summaries: Sequence[Row], rows: Sequence[Row], baseline: str) -> str:
    """What the finished cells say about each arm.

    Args:
        summaries: of sizes in ascending order (see `summary`).
        rows: the cells they are made of.
    """
    compared = [row for row in summaries if row["arm"] != baseline]
    arms = list(dict.fromkeys(row["arm"] for row in compared))
    if not arms:
        return "No arm can be compared with the baseline yet."
    clauses, doubtful = [], []
    for arm in arms:
        of_arm = [row for row in compared if row["arm"] == arm]
        if any(row["gain_bleu_p"] < LEVEL for row in of_arm):
            clauses.append(_clause(arm, of_arm))
        else:
            doubtful.append(arm)
    if doubtful:
        sizes = f"{_list([f'{n:,}' for n in sorted({row['pairs'] for row in compared})])} pairs"
        clauses.append(f"{_list(doubtful)} can't be told from it at {sizes}")
    seeds = sorted({row["seeds"] for row in compared})
    sentences = f"{rows[0]['test_sentences']:,} test sentences"
    if seeds == [1]:
        basis = f"95% intervals over {sentences}; one seed, so other seeds may differ"
    else:
        basis = f"95% intervals over {' to '.join(map(str, seeds))} seeds and {sentences}"
    if len(compared) > 1:
        basis += f"; a doubt is p ≥ {LEVEL} after correction for {len(compared)} comparisons"
    short = sum(row["ended_by"] == "budget" for row in rows)
    if short:
        basis += (
            f"; the budget ended {short} of {len(rows)} trainings before patience did, "
            "and gains shrink as training goes on"
        )
    return f"Against {baseline}, {'; '.join(clauses)} ({basis})."


def _clause(arm: str, summaries: Sequence[Row]) -> str:
    sure = [row for row in summaries if row["gain_bleu_p"] < LEVEL]
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
    doubtful = [f"{row['pairs']:,} {_interval(row)}" for row in summaries if row not in sure]
    if doubtful:
        parts.append(f"can't be told from it at {_list(doubtful)} pairs")
    return f"{arm} {_list(parts)}"


def _interval(row: Row) -> str:
    """Of a gain; of a loss as a loss."""
    ends = [row["gain_bleu_low"], row["gain_bleu_high"]]
    if row["gain_bleu_p"] < LEVEL and row["gain_bleu"] < 0:
        ends = [-ends[1], -ends[0]]
    return f"({ends[0]:.1f} to {ends[1]:.1f})"


def _list(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
