"""Write a report's files, and show its table and verdict."""

import csv
import io
from pathlib import Path

from rich.console import Console

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.report import figure, table
from nmt_ablation.report.page import page
from nmt_ablation.report.results import CSV_COLUMNS, as_csv, as_jsonl, collect, corpora
from nmt_ablation.report.summary import COLUMNS, summarise
from nmt_ablation.report.verdict import verdict
from nmt_ablation.workspace import Workspace, write_atomically

KINDS = ("html", "png", "svg", "csv", "means.csv", "jsonl", "md")


def write(pipeline: Pipeline, workspace: Workspace, folder: Path, command: str) -> None:
    """Report on all finished cells.

    Raises:
        UserError: no cell is finished, or cells that can't be compared are.
    """
    experiment = pipeline.experiment
    rows = collect(pipeline, workspace)
    if not rows:
        raise UserError(f"{pipeline.file.path}: no cell is finished yet; run it first")
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{experiment.name}.{kind}" for kind in KINDS}
    summaries = summarise(pipeline, workspace, rows)
    sentence = verdict(summaries, rows, experiment.baseline)
    curves = table.curves(summaries, experiment.baseline)
    data = corpora(pipeline, workspace)
    said = [sentence, *curves, *table.fits(summaries)]
    html = page(pipeline, workspace, rows, summaries, data, said, command)
    write_atomically(paths["html"], html)
    write_atomically(paths["jsonl"], as_jsonl(rows))
    write_atomically(paths["csv"], as_csv(rows, CSV_COLUMNS))
    write_atomically(paths["means.csv"], as_csv(summaries, COLUMNS))
    write_atomically(
        paths["md"],
        f"# {experiment.name}: {experiment.pair}\n\n{sentence}\n\n"
        f"![BLEU against corpus size]({paths['svg'].name})\n\n"
        f"{table.summary_as_markdown(summaries)}\n{_listed(curves)}"
        f"{_listed(table.fits(summaries))}{table.as_markdown(rows)}\n"
        f"{table.coverage_as_markdown(rows)}"
        f"{table.data_as_markdown(data, rows)}"
        f"BLEU: `{rows[0]['bleu_signature']}`  \nchrF: `{rows[0]['chrf_signature']}`\n\n"
        f"Drawn by `{command}`.\n",
    )
    translations = workspace.root / experiment.name / "hypotheses.tsv"
    write_atomically(translations, _side_by_side(pipeline, workspace))
    title = f"{experiment.name} ({experiment.pair})"
    figure.draw(summaries, rows, experiment.baseline, title, paths["png"], paths["svg"])
    console = Console(highlight=False)
    console.print(table.as_rich(rows, title))
    missing = len(experiment.cells()) - len(rows)
    if missing:
        console.print(f"{missing} cells are not finished yet.")
    console.print("\n".join(["", sentence, *curves, ""]), soft_wrap=True)
    for kind, path in (paths | {"translations": translations}).items():
        console.print(f"{kind:13} {path}", soft_wrap=True)


def _listed(lines: list[str]) -> str:
    return "".join(f"- {line}\n" for line in lines) + ("\n" if lines else "")


def _side_by_side(pipeline: Pipeline, workspace: Workspace) -> str:
    """The test set as a table: source, reference, and what each finished cell made of it."""
    experiment = pipeline.experiment
    test = workspace.path(pipeline.hold_out())
    columns = {
        name: stream_lines(test / f"test.{language}")
        for name, language in (("source", experiment.source), ("reference", experiment.target))
    }
    for cell in experiment.cells():
        translate = pipeline.translate(cell)
        if workspace.done(translate):
            columns[str(cell)] = stream_lines(workspace.path(translate) / "hypotheses.txt")
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()
