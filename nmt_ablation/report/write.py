"""The files of a report, written all or none; no report replaces one that has more."""

import csv
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from nmt_ablation.errors import UserError
from nmt_ablation.files import machine_lock, write_atomically
from nmt_ablation.report import (
    across,
    across_figure,
    analysis_figure,
    cost_figure,
    data_tables,
    figure,
    latex,
    markdown,
    tables,
    terminal,
    verdict_figure,
)
from nmt_ablation.report.page import page
from nmt_ablation.report.replace import replace, restore
from nmt_ablation.report.sentences import sentences
from nmt_ablation.results import flat
from nmt_ablation.results.across import Pooled, pool
from nmt_ablation.results.design import differences
from nmt_ablation.results.files import load, save
from nmt_ablation.results.results import Results
from nmt_ablation.scoring.metric import Measure

FIGURES = ("png", "svg", "pdf")
VERDICT_FIGURES = tuple(f"verdicts.{kind}" for kind in FIGURES)
COST_FIGURES = tuple(f"cost.{kind}" for kind in FIGURES)
ANALYSIS_FIGURES = tuple(f"analysis.{kind}" for kind in FIGURES)
ACROSS_FIGURES = tuple(f"across.{kind}" for kind in FIGURES)
ACROSS_CSV = "across.csv"
OF_SEVERAL = (*ACROSS_FIGURES, ACROSS_CSV)
"""The files of reports on several experiments only."""
KINDS = (
    "html",
    *VERDICT_FIGURES,
    *FIGURES,
    *COST_FIGURES,
    *ANALYSIS_FIGURES,
    *OF_SEVERAL,
    "tex",
    "csv",
    "means.csv",
    "jsonl",
    "json",
    "npz",
    "hypotheses.tsv",
    "md",
)
NAMED = 5
"""The most cells or keys that a message names."""


def write(experiments: Sequence[Results], folder: Path, name: str, command: str) -> None:
    """Report on one experiment, or on several side by side.

    Args:
        folder: the folder of the report; other files in it stay.
        name: the name of the files, without suffixes.
        command: the command that makes the report.

    Raises:
        UserError: experiments weren't scored alike, or an older report of this name has cells or
            keys that this one lacks.
    """
    _check_scoring(experiments)
    folder.mkdir(parents=True, exist_ok=True)
    names = {kind: f"{name}.{kind}" for kind in KINDS}
    found = pool(experiments)
    with machine_lock(f"report {folder.resolve() / name}"):
        written = _replace(experiments, found, folder, name, names, command)
    console = Console(highlight=False)
    for results in experiments:
        _show(results, console)
    _show_across(found, experiments[0].measure, console)
    for kind in written:
        console.print(f"{kind:14} {folder / names[kind]}", soft_wrap=True)


def _replace(
    experiments: Sequence[Results],
    found: Sequence[Pooled],
    folder: Path,
    name: str,
    names: dict[str, str],
    command: str,
) -> list[str]:
    """Write all files into a temporary folder, then move them into place; return their kinds."""
    restore(folder, names)
    for left in folder.glob(f".{name}.new-*"):  # left by killed commands
        shutil.rmtree(left, ignore_errors=True)
    refuse_loss(experiments, folder, name)
    new = Path(tempfile.mkdtemp(prefix=f".{name}.new-", dir=folder))
    try:
        paths = {kind: new / file for kind, file in names.items()}
        _write_files(experiments, found, paths, command)
        written = [kind for kind, file in names.items() if (new / file).exists()]
        replace(new, folder, names)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return written


def refuse_loss(experiments: Sequence[Results], folder: Path, name: str) -> None:
    """Refuse to replace a report by one that lacks some of its cells, or has another definition.

    A definition that only adds to the older one is allowed.

    Raises:
        UserError: the message names the differences, and the ways out.
    """
    cells = folder / f"{name}.csv"
    if not cells.is_file():
        return
    here = {row.digest for results in experiments for row in results.cells}
    with cells.open(encoding="utf-8", newline="") as file:
        lost = [
            f"{row.get('size')}-{row.get('arm')}-s{row.get('seed')}"
            for row in csv.DictReader(file)
            if row.get("digest") not in here
        ]
    said = _changes(experiments, folder / f"{name}.jsonl")
    if lost:
        said.append(f"it has {len(lost)} finished cells that the new one lacks ({_named(lost)})")
    if said:
        raise UserError(
            f"{folder / f'{name}.html'}: the report that is there can't be replaced: "
            f"{'; '.join(said)}. Write the new report elsewhere with --out DIR, or move the old one"
        )


def _changes(experiments: Sequence[Results], cells: Path) -> list[str]:
    """Return the changes of an older report's definition."""
    if not cells.is_file():
        return []
    older = load(cells)
    same = [each for each in experiments if each.name == older.name]
    if not same:
        return [f"it is of another experiment, {older.name}"]
    changed = differences(older.definition, same[0].definition)
    return [f"its definition is another one ({_named(changed)})"] if changed else []


def _named(names: Sequence[str]) -> str:
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _check_scoring(experiments: Sequence[Results]) -> None:
    first = experiments[0]
    for results in experiments:
        if results.primary != first.primary:
            raise UserError(
                f"{first.name} goes by {first.primary} and {results.name} by {results.primary}, so "
                "they can't be drawn side by side; give both the same scoring.primary"
            )
    for name, measure in first.measures.items():
        signatures = {
            row.scores[name].signature: results.name
            for results in experiments
            for row in results.cells
            if name in row.scores
        }
        if len(signatures) > 1:
            scored = "; ".join(f"{where}: {signature}" for signature, where in signatures.items())
            raise UserError(
                f"{measure.label} was not computed alike, so nothing can be compared: {scored}"
            )


def _write_files(
    experiments: Sequence[Results], found: Sequence[Pooled], paths: dict[str, Path], command: str
) -> None:
    if of_models := analysis_figure.draw(experiments):
        figure.save(of_models, [paths[kind] for kind in ANALYSIS_FIGURES])
    inside = paths["analysis.svg"].read_bytes() if of_models else b""
    write_atomically(paths["html"], page(experiments, command, found, inside))
    figure.save(figure.draw(experiments), [paths[kind] for kind in FIGURES])
    of_verdicts, of_costs = verdict_figure.draw(experiments), cost_figure.draw(experiments)
    if of_all := across_figure.draw(experiments, found):
        figure.save(of_all, [paths[kind] for kind in ACROSS_FIGURES])
        write_atomically(paths[ACROSS_CSV], _csv(flat.across(found)))
    if of_verdicts:
        figure.save(of_verdicts, [paths[kind] for kind in VERDICT_FIGURES])
    if of_costs:
        figure.save(of_costs, [paths[kind] for kind in COST_FIGURES])
    tabulars = (latex.render(tables.by_size(results)) for results in experiments)
    write_atomically(paths["tex"], "\n".join(tabulars))
    write_atomically(paths["csv"], _csv(flat.cells(experiments)))
    write_atomically(paths["means.csv"], _csv(flat.means(experiments)))
    pictures = {"verdicts": paths["verdicts.svg"].name} if of_verdicts else {}
    pictures |= {f"{experiments[0].measure.label} against corpus size": paths["svg"].name}
    if of_costs:
        pictures["gain against cost"] = paths["cost.svg"].name
    if of_models:
        pictures["what analyses found in models"] = paths["analysis.svg"].name
    if of_all:
        pictures["gains across experiments"] = paths["across.svg"].name
    write_atomically(paths["md"], _markdown(experiments, found, pictures, command))
    if len(experiments) == 1:
        save(experiments[0], paths["jsonl"])


def _csv(rows: Sequence[flat.Flat]) -> str:
    columns = dict.fromkeys(key for row in rows for key in row)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _no_formula(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _no_formula(value: flat.Value) -> flat.Value:
    """Keep a spreadsheet from computing a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@")) else value


def _show(results: Results, console: Console) -> None:
    matrix, described = tables.verdicts(results), tables.means(results)
    for warning in results.warnings:
        console.print(f"warning: {warning}", soft_wrap=True, markup=False)
    if matrix.lines:
        console.print(terminal.render(matrix, f"{results.name} ({results.pair}): {matrix.heading}"))
        console.print(*matrix.notes, soft_wrap=True)
    if described.lines:
        console.print(terminal.render(described, f"{results.name} ({results.pair})"))
        for note in tables.training_notes(results.cells):
            console.print(note, soft_wrap=True)
    if results.unfinished:
        console.print(f"Not finished yet: {results.missing}.", soft_wrap=True)
    console.print("\n".join(["", *sentences(results), ""]), soft_wrap=True, markup=False)


def _show_across(found: Sequence[Pooled], measure: Measure, console: Console) -> None:
    if found:
        table = across.table(found, measure)
        console.print(terminal.render(table, table.heading))
        console.print("\n".join([*across.sentences(found), ""]), soft_wrap=True, markup=False)


def _markdown(
    experiments: Sequence[Results],
    found: Sequence[Pooled],
    pictures: Mapping[str, str],
    command: str,
) -> str:
    """Return the report in Markdown.

    Args:
        pictures: the file of each figure, by what it shows.
    """
    parts = [f"![{shown}]({name})\n" for shown, name in pictures.items()]
    if found:
        parts.append(f"# {across.HEADING}\n")
        parts.append("".join(f"- {sentence}\n" for sentence in across.sentences(found)))
        parts.append(markdown.render(across.table(found, experiments[0].measure)))
    for results in experiments:
        parts.append(f"# {results.name}: {results.pair}\n")
        verdict, *rest = sentences(results)
        matrix = tables.verdicts(results)
        warned = map(markdown.escaped, results.warnings)
        parts.append("".join(f"- **Warning:** {it}\n" for it in warned))
        parts += [f"{verdict}\n"]
        if results.unfinished:
            parts.append(f"Not finished yet: {results.missing}.\n")
        parts.append(markdown.render(matrix))
        parts.append("".join(f"- {sentence}\n" for sentence in rest))
        for table in (*tables.evidence(results), data_tables.corpora(results)):
            if table.lines:
                parts += [f"## {table.heading}\n", markdown.render(table)]
        scores = results.cells[0].scores
        signatures = (
            f"{measure.label}: `{scores[name].signature}`"
            for name, measure in results.pooled.items()
        )
        parts.append("  \n".join(signatures) + "\n")
    parts.append(f"Drawn by `{command.replace('`', chr(39))}`.\n")
    return "\n".join(part for part in parts if part)
