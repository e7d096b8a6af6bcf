"""One sentence that says where vectors help, and no more than the numbers allow."""

from itertools import groupby

from nmt_ablation.report.results import Row

LEVEL = 0.05


def verdict(rows: list[Row], baseline: str) -> str:
    """What the finished cells say about each arm, sizes in ascending order."""
    compared = [row for row in rows if row["gain_bleu"] is not None]
    arms = list(dict.fromkeys(row["arm"] for row in compared if row["arm"] != baseline))
    if not arms:
        return "No arm can be compared with the baseline yet."
    clauses = [_clause(arm, [row for row in compared if row["arm"] == arm]) for arm in arms]
    seeds = len({row["seed"] for row in compared})
    basis = f"paired bootstrap over {rows[0]['test_sentences']:,} test sentences, p < {LEVEL}"
    caution = "one seed, so other seeds may differ" if seeds == 1 else f"at each of {seeds} seeds"
    short = sum(row["ended_by"] == "budget" for row in rows)
    cut = (
        f"; the budget ended {short} of {len(rows)} trainings before patience did, "
        "and gains shrink as training goes on"
        if short
        else ""
    )
    return f"Against {baseline}, {'; '.join(clauses)} ({basis}; {caution}{cut})."


def _clause(arm: str, rows: list[Row]) -> str:
    by_size = {
        pairs: list(group)
        for pairs, group in groupby(
            sorted(rows, key=lambda row: row["pairs"]), key=lambda row: row["pairs"]
        )
    }
    gains = {pairs: _mean([row["gain_bleu"] for row in of]) for pairs, of in by_size.items()}
    better = [pairs for pairs, of in by_size.items() if all(_sure(row) > 0 for row in of)]
    worse = [pairs for pairs, of in by_size.items() if all(_sure(row) < 0 for row in of)]
    neither = [pairs for pairs in by_size if pairs not in better and pairs not in worse]
    parts = []
    for what, sizes in (("gains", better), ("loses", worse)):
        if sizes:
            listed = _list([f"{abs(gains[pairs]):.1f} BLEU at {pairs:,}" for pairs in sizes])
            parts.append(f"{what} {listed} pairs")
    if neither:
        parts.append(f"can't be told from it at {_list([f'{pairs:,}' for pairs in neither])} pairs")
    return f"{arm} {_list(parts)}"


def _sure(row: Row) -> int:
    """+1 or -1 for a gain or loss beyond doubt about the test sentences, else 0."""
    if row["p_bleu"] is None or row["p_bleu"] >= LEVEL:
        return 0
    return 1 if row["gain_bleu"] > 0 else -1


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _list(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
