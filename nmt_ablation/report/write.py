"""Write a report's files, and show its tables and verdicts."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.files import write_atomically
from nmt_ablation.pipeline import METRICS, Pipeline
from nmt_ablation.report import figure, table
from nmt_ablation.report.findings import Findings, save
from nmt_ablation.report.page import page
from nmt_ablation.report.results import CSV_COLUMNS, as_csv
from nmt_ablation.report.summary import COLUMNS
from nmt_ablation.report.verdict import said
from nmt_ablation.workspace import Workspace

FIGURES = ("png", "svg", "pdf")


def write(experiments: Sequence[Findings], folder: Path, name: str, command: str) -> None:
    """Report on one experiment, or on several side by side.

    Args:
        name: that the files carry, with the suffixes of their kinds.
        command: that makes them.

    Raises:
        UserError: experiments weren't scored alike.
    """
    _check(experiments)
    paths = {
        kind: folder / f"{name}.{kind}"
        for kind in ("html", *FIGURES, "tex", "csv", "means.csv", "jsonl", "json", "npz", "md")
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(paths["html"], page(experiments, command))
    cells = [row for findings in experiments for row in findings.cells]
    means = [
        {"experiment": findings.name, **row} for findings in experiments for row in findings.means
    ]
    write_atomically(paths["csv"], as_csv(cells, CSV_COLUMNS))
    write_atomically(paths["means.csv"], as_csv(means, ["experiment", *COLUMNS]))
    write_atomically(paths["tex"], "\n".join(map(table.as_latex, experiments)))
    if len(experiments) == 1:
        save(experiments[0], paths["jsonl"])
    else:
        del paths["jsonl"], paths["json"]
    if len(experiments) > 1 or not experiments[0].drawn:
        del paths["npz"]
    if cells:
        figure.draw(experiments, [paths[kind] for kind in FIGURES])
    else:
        for kind in FIGURES:
            del paths[kind]
    write_atomically(paths["md"], _markdown(experiments, paths, command))
    console = Console(highlight=False)
    for findings in experiments:
        if findings.cells:
            console.print(table.as_rich(findings))
        if findings.unfinished:
            console.print(f"Not finished yet: {findings.missing}.", soft_wrap=True)
        console.print("\n".join(["", *said(findings), ""]), soft_wrap=True)
    for kind, path in paths.items():
        console.print(f"{kind:13} {path}", soft_wrap=True)


def write_hypotheses(pipeline: Pipeline, workspace: Workspace, path: Path) -> None:
    """The test set as a table: source, reference, and what each finished cell made of it."""
    experiment = pipeline.experiment
    finished = [
        (cell, step)
        for cell in experiment.cells()
        if workspace.done(step := pipeline.translate(cell))
    ]
    if not finished:
        return
    test = workspace.path(pipeline.hold_out())
    columns = {
        name: stream_lines(test / f"test.{language}")
        for name, language in (("source", experiment.source), ("reference", experiment.target))
    }
    for cell, step in finished:
        columns[str(cell)] = stream_lines(workspace.path(step) / "hypotheses.txt")
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_atomically(path, out.getvalue())


def _check(experiments: Sequence[Findings]) -> None:
    for metric in METRICS:
        signatures = {
            row[f"{metric}_signature"]: findings.name
            for findings in experiments
            for row in findings.cells
        }
        if len(signatures) > 1:
            scored = "; ".join(f"{name}: {signature}" for signature, name in signatures.items())
            raise UserError(f"{metric} was not counted alike, so nothing can be compared: {scored}")


def _markdown(experiments: Sequence[Findings], paths: dict[str, Path], command: str) -> str:
    parts = []
    if "svg" in paths:
        parts.append(f"![BLEU against corpus size]({paths['svg'].name})\n")
    for findings in experiments:
        parts.append(f"# {findings.name}: {findings.pair}\n")
        verdict, *curves = said(findings)
        parts += [f"{verdict}\n"]
        if findings.unfinished:
            parts.append(f"Not finished yet: {findings.missing}.\n")
        if not findings.cells:
            continue
        parts += [table.summary_as_markdown(findings), "".join(f"- {it}\n" for it in curves)]
        parts += [table.contrasts_as_markdown(findings.contrasts)]
        parts += [table.as_markdown(findings.cells), table.coverage_as_markdown(findings.cells)]
        parts += [table.data_as_markdown(findings)]
        signatures = [findings.cells[0][f"{metric}_signature"] for metric in ("bleu", "chrf")]
        parts += [f"BLEU: `{signatures[0]}`  \nchrF: `{signatures[1]}`\n"]
    parts.append(f"Drawn by `{command}`.\n")
    return "\n".join(part for part in parts if part)
