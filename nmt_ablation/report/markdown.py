"""Tables in Markdown."""

import re

from nmt_ablation.report.table import Entry, Table


def render(table: Table) -> str:
    """Return a table with its notes; nothing for a table without lines."""
    if not table.lines:
        return ""
    lines = [
        [header.text for header in table.headers],
        ["---" if header.left else "---:" for header in table.headers],
        *([_entry(entry) for entry in line] for line in table.lines),
    ]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return text + "".join(f"\n{escaped(note)}\n" for note in table.notes)


def escaped(text: str) -> str:
    """Escape tags, links and pictures, as the names of corpora are not ours."""
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", re.sub(r"\[(?=[^\]]*\]\()", r"\[", text))


def _entry(entry: Entry) -> str:
    text = escaped(str(entry)).replace("|", r"\|")
    return f"`{text.replace('`', chr(39))}`" if entry.code else text
