"""Commands on what has been found: report it, draw it again, compare two systems."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from nmt_ablation.cli.options import (
    CACHE,
    DATA,
    JOBS,
    MIRROR,
    WORKSPACE,
    hint,
    on_experiment,
    runner_of,
)
from nmt_ablation.scoring.bleu import BleuTokenizer
from nmt_ablation.values import INVISIBLE

if TYPE_CHECKING:
    from nmt_ablation.runner import Runner

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
ACROSS = 4
"""The most arms beside each other in a terminal."""


@click.command()
@on_experiment
@click.option("--out", type=FOLDER, help="Where the report goes.  [default: WORKSPACE/NAME/report]")
@click.option(
    "--examples/--no-examples",
    default=True,
    help="Include test sentences and their translations. Leave them out if you may not publish "
    "them.",
)
def report(runner: "Runner", out: Path | None, examples: bool) -> None:
    """Write the report on all finished cells: figures, tables and data.

    The verdict is printed, and is part of the report. An existing report is not replaced if it has
    more cells, or comes from another definition of the experiment.

    \b
    Example:
      nmt-ablation report recipes/quickstart.yaml
    """
    from nmt_ablation.report.write import write
    from nmt_ablation.results.gather import gather

    name = runner.file.experiment.name
    results = gather(runner.pipeline, runner.workspace, _command(), examples)
    write([results], out or runner.folder / "report", name, _command())


@click.command()
@click.argument("results", nargs=-1, required=True, type=FILE)
@click.option("--out", type=FOLDER, required=True, help="Where the report goes.")
@click.option("--name", help="The report's name.  [default: the experiments' names, joined]")
def draw(results: Sequence[Path], out: Path, name: str | None) -> None:
    """Draw reports again from their files, or side by side.

    RESULTS are the NAME.jsonl files of reports, each beside the report's other files. No model and
    no corpus is needed. Reports on different cells of one experiment are joined into one.

    \b
    Examples:
      nmt-ablation draw docs/results/quickstart/quickstart.jsonl --out again
      nmt-ablation draw weak/weak.jsonl strong/strong.jsonl --out both --name baselines
      nmt-ablation draw laptop/mine.jsonl cluster/mine.jsonl --out whole
    """
    from nmt_ablation.report.write import write
    from nmt_ablation.results.files import load
    from nmt_ablation.results.join import join

    experiments = join([load(path) for path in results])
    write(experiments, out, name or "-".join(each.name for each in experiments), _command())


@click.command()
@on_experiment
@click.option(
    "--cell", "names", multiple=True, help="Analyse this cell's model alone; may be repeated."
)
@JOBS
def analyse(runner: "Runner", names: tuple[str, ...], jobs: int | None) -> None:
    """Look into trained models: what they took from their starts, and where it is.

    The analyses are those under `analysis` in the experiment file, or else all. The models of
    finished cells are analysed, and none is trained. The next report has the tables too.

    \b
    Examples:
      nmt-ablation analyse recipes/quickstart.yaml
      nmt-ablation analyse mine.yaml --cell 4k-random-s1 --cell 4k-whole-s1
    """
    from rich.console import Console

    from nmt_ablation import session
    from nmt_ablation.report import terminal
    from nmt_ablation.report.analysis_tables import analyses
    from nmt_ablation.results.gather import gather

    session.analyse(runner, runner.file.choose(names, ()), jobs)
    results = gather(runner.pipeline, runner.workspace, _command(), with_examples=False)
    console = Console(highlight=False)
    for table in analyses(results, across=ACROSS):
        console.print(terminal.render(table, table.heading))
    for it in results.analyses.values():
        console.print(f"{it.title}: {it.shows} {it.hides}\n", markup=False)
    click.echo(f"next: {hint('report', runner.file.path)}", err=True)


@click.command()
@click.argument("one")
@click.argument("other")
@click.option("--reference", type=FILE, help="The references, if ONE and OTHER are files.")
@click.option(
    "--tokenize",
    type=click.Choice(get_args(BleuTokenizer)),
    default="13a",
    show_default=True,
    help="sacreBLEU's tokenizer, if ONE and OTHER are files.",
)
@click.option("--experiment", type=FILE, help="The experiment, if ONE and OTHER are its cells.")
@WORKSPACE
@CACHE
@DATA
@MIRROR
def compare(
    one: str,
    other: str,
    reference: Path | None,
    tokenize: BleuTokenizer,
    experiment: Path | None,
    workspace: Path,
    cache: Path | None,
    data: Path | None,
    mirror: str | None,
) -> None:
    """Compare two translations of a test set.

    ONE and OTHER are two files, or two cells of an experiment. Prints the scores of both, the gain
    of OTHER over ONE with its interval, and two significance tests of this gain.

    \b
    Examples:
      nmt-ablation compare mine.txt theirs.txt --reference test.en
      nmt-ablation compare 500-random-s1 500-finetuned-s1 --experiment recipes/quickstart.yaml
    """
    from rich.console import Console

    from nmt_ablation.report import pairwise
    from nmt_ablation.results.gather import compare_cells
    from nmt_ablation.results.pairwise import of_files
    from nmt_ablation.scoring.config import Scoring

    if (reference is None) == (experiment is None):
        raise click.UsageError("give --reference for two files, or --experiment for two cells")
    if experiment is None:
        assert reference is not None
        metrics = Scoring.usual(tokenize).metrics
        found = of_files(Path(one), Path(other), reference, metrics)
    else:
        runner = runner_of(experiment, workspace, cache, data, mirror)
        found = compare_cells(runner.pipeline, runner.workspace, one, other)
    console = Console(highlight=False)
    console.print(pairwise.as_rich(found, one, other))
    for line in pairwise.notes(found):
        console.print(line, soft_wrap=True, markup=False)


def _command() -> str:
    return INVISIBLE.sub("\ufffd", shlex.join(["nmt-ablation", *sys.argv[1:]]))
