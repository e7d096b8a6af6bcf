"""The results as a table, for a terminal and for Markdown."""

from rich.table import Table

from nmt_ablation.report.results import Row

HEADER = ("pairs", "arm", "seed", "BLEU", "chrF", "gain BLEU", "p", "gain chrF", "updates")
NOTE = "↑ the budget ended this training while it still improved"


def as_rich(rows: list[Row], title: str) -> Table:
    table = Table(title=title, caption=NOTE if _any_cut(rows) else None)
    for name in HEADER:
        table.add_column(name, justify="left" if name == "arm" else "right")
    for at, row in enumerate(rows):
        last = at + 1 == len(rows) or rows[at + 1]["pairs"] != row["pairs"]
        table.add_row(*_cells(row), end_section=last)
    return table


def as_markdown(rows: list[Row]) -> str:
    lines = [HEADER, ["---" if name == "arm" else "---:" for name in HEADER]]
    lines += [_cells(row) for row in rows]
    note = f"\n{NOTE}.\n" if _any_cut(rows) else ""
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + note


def _cells(row: Row) -> list[str]:
    return [
        f"{row['pairs']:,}",
        row["arm"],
        str(row["seed"]),
        f"{row['bleu']:.1f}",
        f"{row['chrf']:.1f}",
        _gain(row, "gain_bleu"),
        "" if row["p_bleu"] is None else f"{row['p_bleu']:.3f}",
        _gain(row, "gain_chrf"),
        f"{row['updates']:,}{' ↑' if row['ended_by'] == 'budget' else ''}",
    ]


def _any_cut(rows: list[Row]) -> bool:
    return any(row["ended_by"] == "budget" for row in rows)


def _gain(row: Row, key: str) -> str:
    gain = row[key]
    # The baseline's own gain is 0 by definition; a dash says that there is nothing to compare.
    return "–" if gain is None or (gain == 0 and row["p_bleu"] is None) else f"{gain:+.1f}"
