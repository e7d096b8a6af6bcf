"""Write a report's files, and show its table and verdict."""

from pathlib import Path

from rich.console import Console

from nmt_ablation.errors import UserError
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.report import figure, table
from nmt_ablation.report.results import as_csv, as_jsonl, collect
from nmt_ablation.report.verdict import verdict
from nmt_ablation.workspace import Workspace, write_atomically

KINDS = ("png", "svg", "csv", "jsonl", "md")


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
    paths = {
        kind: folder / f"{experiment.name}.{kind}" for kind in ["png", "svg", "csv", "jsonl", "md"]
    }
    sentence = verdict(rows, experiment.baseline)
    write_atomically(paths["jsonl"], as_jsonl(rows))
    write_atomically(paths["csv"], as_csv(rows))
    write_atomically(
        paths["md"],
        f"# {experiment.name}: {experiment.pair}\n\n{sentence}\n\n"
        f"![BLEU against corpus size]({paths['svg'].name})\n\n{table.as_markdown(rows)}\n"
        f"BLEU: `{rows[0]['bleu_signature']}`  \nchrF: `{rows[0]['chrf_signature']}`\n\n"
        f"Drawn by `{command}`.\n",
    )
    title = f"{experiment.name} ({experiment.pair})"
    figure.draw(rows, experiment.baseline, title, paths["png"], paths["svg"])
    console = Console(highlight=False)
    console.print(table.as_rich(rows, title))
    missing = len(experiment.cells()) - len(rows)
    if missing:
        console.print(f"{missing} cells are not finished yet.")
    console.print(f"\n{sentence}\n", soft_wrap=True)
    for kind, path in paths.items():
        console.print(f"{kind:6} {path}", soft_wrap=True)
