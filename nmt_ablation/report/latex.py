"""Tables in LaTeX, with booktabs."""

import re

from nmt_ablation.report.table import NOTHING, Entry, Table

MARKS = {"*": r"$^*$", "†": r"$^\dagger$"}


def render(table: Table) -> str:
    """Return a tabular, with the table's notes as comments above it."""
    columns = "".join("l" if header.left else "r" for header in table.headers)
    lines = [
        *(f"% {note}" for note in table.notes),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(_escaped(header.text) for header in table.headers) + r" \\",
        r"\midrule",
        *(" & ".join(map(_entry, line)) + r" \\" for line in table.lines),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _entry(entry: Entry) -> str:
    if entry.text == NOTHING:
        return "--"
    interval = re.sub(r"[+-][\d.]+", r"$\g<0>$", entry.interval)
    text = " ".join(part for part in (_escaped(entry.text), interval) if part)
    return text + "".join(MARKS[mark] for mark in entry.mark)


def _escaped(text: str) -> str:
    """Escape the special characters of LaTeX that a name may contain."""
    names = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[&%$#_{}\\~^]", lambda it: names.get(it[0], f"\\{it[0]}"), text)
