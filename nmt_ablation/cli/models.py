"""Commands on the model of a cell: where it is, translate with it, take it elsewhere."""

import logging
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt_ablation.cli.options import hint, on_experiment
from nmt_ablation.errors import UserError

if TYPE_CHECKING:
    from nmt_ablation.experiment import Cell
    from nmt_ablation.runner import Runner

CELL = click.argument("cell")
LINES = 1024
"""Lines that are translated together: long enough to be fast, short enough to see them come."""


@click.command()
@on_experiment
@CELL
@click.argument("what", required=False)
def path(runner: "Runner", cell: str, what: str | None) -> None:
    """Print where the files of a finished cell are.

    Without WHAT, lists the files and their names. WHAT is one of these names: only the path of this
    file is then printed, for scripts.

    \b
    Examples:
      nmt-ablation path mine.yaml 1000-random-s1
      cp "$(nmt-ablation path mine.yaml 1000-random-s1 checkpoint)" best.pt
    """
    found = _files(runner, runner.file.cell(cell))
    if what is None:
        for name, place in found.items():
            click.echo(f"{name:13} {place}")
    elif what in found:
        click.echo(found[what])
    else:
        raise UserError(f"{cell}: has no '{what}'; allowed: {', '.join(found)}")


@click.command()
@on_experiment
@CELL
@click.option(
    "--best",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of translations of each line: one on each output line, the best first.",
)
@click.option("--beam", type=click.IntRange(1), help="Beam size.  [default: decoding.beam]")
def translate(runner: "Runner", cell: str, best: int, beam: int | None) -> None:
    """Translate text with the model of a finished cell, line by line.

    Reads plain text from standard input, and writes plain text.

    \b
    Examples:
      nmt-ablation translate mine.yaml 1000-random-s1 <text.de >text.en
      nmt-ablation translate mine.yaml 1000-random-s1 --best 3 --beam 10 <text.de
    """
    from nmt_ablation.corpus.text import tidy
    from nmt_ablation.segmentation import load
    from nmt_ablation.translation.system import System

    files, experiment = _files(runner, runner.file.cell(cell)), runner.file.experiment
    decoding = experiment.decoding
    if beam is not None:
        decoding = decoding.model_copy(update={"beam": beam})
    if best > decoding.beam:
        raise UserError(f"--best {best} needs as large a beam; add --beam {best}")
    folder = files["segmentation"]
    segmenters = (
        load(experiment.segmentation, folder, "source"),
        load(experiment.segmentation, folder, "target"),
    )
    if sys.stdin.isatty():
        click.echo("reads lines from the terminal; end with Ctrl-D", err=True)
    logging.getLogger("fairseq").setLevel(logging.WARNING)
    system = System.load(
        files["checkpoint"], files["data-bin"], segmenters, decoding, experiment.training.threads
    )
    done = 0
    for block in _blocks(_decoded(sys.stdin.buffer)):
        lines = [tidy(line, experiment.cleaning.unicode) for line in block]
        for ranked in system.ranked(lines, best, lambda *_: None):
            click.echo("\n".join(ranked))
        done += len(lines)
        if sys.stderr.isatty():
            click.echo(f"\r{done:,} lines", err=True, nl=False)
    if sys.stderr.isatty():
        click.echo(err=True)


@click.command()
@on_experiment
@CELL
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to make; it must be empty or not there.",
)
def export(runner: "Runner", cell: str, to: Path) -> None:
    """Copy the model of a finished cell into a folder of its own.

    The folder has the model for fairseq and for CTranslate2, with dictionaries, segmentation and a
    README, and needs neither nmt-ablation nor its store.

    \b
    Example:
      nmt-ablation export mine.yaml 1000-random-s1 --to model
    """
    from nmt_ablation.translation import export as exported

    chosen, experiment = runner.file.cell(cell), runner.file.experiment
    files = _files(runner, chosen)
    if to.exists() and any(to.iterdir()):
        raise UserError(f"{to}: is not empty; name a new folder")
    own = ("artifact.", "made-of.", "dictionary.")
    segmentation = [
        it for it in sorted(files["segmentation"].iterdir()) if not it.name.startswith(own)
    ]
    train = runner.pipeline.training_of(chosen, runner.workspace.record)
    about = {
        "cell": cell,
        "pair": experiment.pair,
        "updates": f"{runner.workspace.record(train).best_update:,}",
        "unicode": experiment.cleaning.unicode,
        "source": experiment.source,
        "target": experiment.target,
        "beam": str(experiment.decoding.beam),
        "penalty": f"{experiment.decoding.length_penalty:g}",
        "type": experiment.segmentation.type,
    }
    logging.getLogger("fairseq").setLevel(logging.WARNING)
    exported.export(files["checkpoint"], files["data-bin"], segmentation, to, about)
    click.echo(f"{to}: has {cell}; README.md there says how to translate with it")


def _files(runner: "Runner", cell: "Cell") -> dict[str, Path]:
    """Return the places of a cell's files by what they are.

    Raises:
        UserError: its model is not trained yet, or was removed.
    """
    pipeline, workspace = runner.pipeline, runner.workspace
    model, binarise = pipeline.model(cell), pipeline.binarise(cell.size, cell.seed)
    segmentation = pipeline.segmentation(cell.size, cell.seed)
    for stage in (model, binarise, segmentation):
        if not workspace.done(stage):
            raise UserError(
                f"{cell}: its {stage.name} is not there yet, or was removed: "
                f"{hint('run', runner.file.path)} --cell {cell}"
            )
    found = {
        "checkpoint": workspace.file(model.checkpoint),
        "data-bin": workspace.file(binarise.data),
        "segmentation": workspace.path(segmentation),
    }
    for name in pipeline.test_sets():
        hypotheses = pipeline.translate(cell, name).hypotheses
        several = len(pipeline.test_sets()) > 1
        if workspace.done(hypotheses.stage):
            found[f"hypotheses-{name}" if several else "hypotheses"] = workspace.file(hypotheses)
    if workspace.done(pipeline.score(cell)):
        found["scores"] = workspace.path(pipeline.score(cell))
    return found


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise UserError(
                f"line {number} of the text is not UTF-8; convert it, e.g. with iconv"
            ) from None


def _blocks(lines: Iterator[str]) -> Iterator[list[str]]:
    while block := list(islice(lines, LINES)):
        yield block
