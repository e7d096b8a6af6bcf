"""The command line: parse, call, print. Heavy modules are imported by the commands that use them,
so that `--help` answers at once."""

import json
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nmt_ablation import __version__
from nmt_ablation.errors import UserError

if TYPE_CHECKING:
    from nmt_ablation.runner import Runner

Command = TypeVar("Command", bound=Callable[..., Any])

EXPERIMENT = click.argument("experiment", type=click.Path(path_type=Path))
WORKSPACE = click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("checkpoints"),
    envvar="NMT_ABLATION_WORKSPACE",
    show_default=True,
    help="Where everything that is built goes.",
)


def _places(command: Command) -> Command:
    for option in (
        WORKSPACE,
        click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="NMT_ABLATION_DATA",
            help="Where held-out files named in the experiment are.  "
            "[default: beside the experiment file]",
        ),
        click.option(
            "--mirror",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="NMT_ABLATION_MIRROR",
            help="A folder in OPUS's layout to fetch corpora from.",
        ),
    ):
        command = option(command)
    return command


class _Group(click.Group):
    """Prints what the user can mend as a message, never as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {line}", err=True)
        except KeyboardInterrupt:
            click.echo("\nStopped. The same command goes on from here.", err=True)
            ctx.exit(130)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"error: {error.filename}: {error.strerror}", err=True)
        ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nmt-ablation")
def main() -> None:
    """Will pretrained embeddings help my translation model, at my corpus size?

    \b
    Examples:
      nmt-ablation validate recipes/quickstart.yaml
      nmt-ablation plan recipes/quickstart.yaml
      nmt-ablation run recipes/quickstart.yaml --mirror DIR
      nmt-ablation report recipes/quickstart.yaml
    """


@main.command()
@EXPERIMENT
def validate(experiment: Path) -> None:
    """Check an experiment file, and say what is wrong and where.

    \b
    Example:
      nmt-ablation validate recipes/quickstart.yaml
    """
    from nmt_ablation.experiment_file import load

    valid = load(experiment).experiment
    click.echo(
        f"{experiment}: valid: {len(valid.cells())} cells "
        f"({len(valid.sizes)} sizes x {len(valid.arms)} arms x {len(valid.seeds)} seeds)"
    )


@main.command()
@EXPERIMENT
@_places
def plan(experiment: Path, workspace: Path, data: Path | None, mirror: Path | None) -> None:
    """Show the cells of an experiment, what is done and what is to do. Builds nothing.

    \b
    Example:
      nmt-ablation plan recipes/quickstart.yaml
    """
    runner = _runner(experiment, workspace, data, mirror)
    cells = runner.file.experiment.cells()
    to_build: dict[str, str] = {}
    done = 0
    for cell in cells:
        left = runner.left(cell)
        stages = ", ".join(dict.fromkeys(step.stage for step in left))
        click.echo(f"{cell!s:32} {f'to do: {stages}' if left else 'done'}")
        done += not left
        to_build |= {step.digest: step.stage for step in left}
    needed = Counter(to_build.values())
    counts = ", ".join(f"{count} x {stage}" for stage, count in needed.items())
    click.echo(f"\n{done} of {len(cells)} cells are done. To build: {counts or 'nothing'}.")
    if needed["train"]:
        training = runner.file.experiment.training
        click.echo(
            f"At most {needed['train'] * training.max_updates:,} updates of up to "
            f"{training.batch_tokens:,} tokens; patience may end a cell sooner."
        )


@main.command()
@EXPERIMENT
@_places
@click.option("--cell", "only", multiple=True, help="Run this cell alone; may be repeated.")
@click.option("--prepare", is_flag=True, help="Build what the cells share, and train nothing.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Cells at once.  [default: as the cores allow; 1 on a GPU]",
)
def run(
    experiment: Path,
    workspace: Path,
    data: Path | None,
    mirror: Path | None,
    only: tuple[str, ...],
    prepare: bool,
    jobs: int | None,
) -> None:
    """Do all that is not done yet: prepare, train, translate, score.

    Stop it at any moment and call it again: it goes on where it was.

    \b
    Examples:
      nmt-ablation run recipes/quickstart.yaml --mirror DIR
      nmt-ablation run recipes/quickstart.yaml --mirror DIR --cell 500-random-s1
    """
    from nmt_ablation.pipeline import Pipeline
    from nmt_ablation.progress import Bars
    from nmt_ablation.runner import StepsOf

    runner = _runner(experiment, workspace, data, mirror)
    runner.check_mirror()
    file = runner.file.experiment
    cells = {str(cell): cell for cell in file.cells()}
    for name in only:
        if name not in cells:
            raise UserError(f"{experiment}: has no cell '{name}'; allowed: {', '.join(cells)}")
    chosen = {name: cell for name, cell in cells.items() if not only or name in only}
    # A GPU is one device, however many cores stand beside it.
    places = 1 if shutil.which("nvidia-smi") else _cores()
    at_once = jobs or max(1, places // file.training.threads)
    cell_jobs: dict[str, StepsOf] = {
        name: partial(Pipeline.scores, cells=[cell]) for name, cell in chosen.items()
    }
    phases: list[dict[str, StepsOf]] = [{"preparation": Pipeline.preparation}]
    if not prepare:
        phases.append(cell_jobs)
    with Bars(runner, chosen) as bars:
        for phase in phases:
            failed = runner.run(phase, at_once, bars)
            if failed:
                raise UserError("\n".join(failed.values()))


@main.command()
@EXPERIMENT
@_places
@click.option("--json", "as_json", is_flag=True, help="For machines: one object a cell.")
def status(
    experiment: Path, workspace: Path, data: Path | None, mirror: Path | None, as_json: bool
) -> None:
    """Show how far each cell is.

    \b
    Example:
      nmt-ablation status recipes/quickstart.yaml
    """
    runner = _runner(experiment, workspace, data, mirror)
    for cell in runner.file.experiment.cells():
        left = runner.left(cell)
        stage = left[0].stage if left else "done"
        progress = runner.workspace.progress(left[0]) if left else None
        bleu = None
        if not left:
            bleu = runner.workspace.record(runner.pipeline.score(cell))["bleu"]
        if as_json:
            shown = {"cell": str(cell), "stage": stage, "progress": progress, "bleu": bleu}
            click.echo(json.dumps(shown))
        else:
            far = f" {progress[0]:,.0f} of {progress[1]:,.0f}" if progress else ""
            score = "" if bleu is None else f" BLEU {bleu:.1f}"
            click.echo(f"{cell!s:32} {stage}{far}{score}")


@main.command()
@EXPERIMENT
@_places
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the report goes.  [default: WORKSPACE/NAME/report]",
)
def report(
    experiment: Path, workspace: Path, data: Path | None, mirror: Path | None, out: Path | None
) -> None:
    """Draw the figure and the tables of what is finished, and give the verdict.

    \b
    Example:
      nmt-ablation report recipes/quickstart.yaml
    """
    from nmt_ablation.report.write import write

    runner = _runner(experiment, workspace, data, mirror)
    folder = out or workspace / runner.file.experiment.name / "report"
    command = shlex.join(["nmt-ablation", *sys.argv[1:]])
    write(runner.pipeline, runner.workspace, folder, command)


@main.command()
@click.argument("pair")
@click.option("--monolingual", is_flag=True, help="List text in each of the two languages.")
@click.option("--all-versions", is_flag=True, help="List older versions too.")
@click.option("--offline", is_flag=True, help="List OPUS as opustools knows it, of April 2023.")
@click.option(
    "--mirror",
    metavar="DIR_OR_URL",
    envvar="NMT_ABLATION_MIRROR",
    help="List what a mirror of OPUS has; --offline goes first.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines: one array.")
def corpora(
    pair: str,
    monolingual: bool,
    all_versions: bool,
    offline: bool,
    mirror: str | None,
    as_json: bool,
) -> None:
    """List what OPUS has for a pair of languages, largest first, however it spells them.

    CORPUS and VERSION are what an experiment names: `WikiMatrix/v1`; and PAIR too, where the
    corpus's codes aren't the experiment's.

    \b
    Examples:
      nmt-ablation corpora fa-zh
      nmt-ablation corpora en-pt_br --offline --json
    """
    from rich.console import Console

    from nmt_ablation.corpus import catalogue

    entries = catalogue.find(
        pair,
        lambda said: click.echo(said, err=True),
        mirror=mirror,
        offline=offline,
        monolingual=monolingual,
        all_versions=all_versions,
    )
    if as_json:
        click.echo(json.dumps([entry.model_dump() for entry in entries], indent=1))
    elif sys.stdout.isatty():
        Console().print(catalogue.table(entries))
    else:
        click.echo("\n".join(catalogue.lines(entries)))


@main.command()
@click.argument("mirror", type=click.Path(path_type=Path, file_okay=False))
@click.option("--pairs", type=click.IntRange(1), default=12_000, show_default=True)
@click.option(
    "--lines",
    type=click.IntRange(1),
    default=120_000,
    show_default=True,
    help="Of monolingual text on each side.",
)
@click.option("--seed", type=int, default=1, show_default=True)
def synthesise(mirror: Path, pairs: int, lines: int, seed: int) -> None:
    """Make up a language pair and write its corpora in OPUS's layout.

    The pair is xx-en, the corpus Synthetic/v1. The same numbers give the same bytes.

    \b
    Example:
      nmt-ablation synthesise checkpoints/synthetic-mirror
    """
    from nmt_ablation.corpus.synthetic import write_mirror

    write_mirror(mirror, pairs, lines, seed)
    click.echo(f"{mirror}: {pairs:,} pairs and {lines:,} lines a side")


def _cores() -> int:
    """Those this process may use, where the system can say."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _runner(experiment: Path, workspace: Path, data: Path | None, mirror: Path | None) -> "Runner":
    from nmt_ablation.experiment_file import load
    from nmt_ablation.pipeline import Places
    from nmt_ablation.runner import Runner
    from nmt_ablation.workspace import Workspace

    if mirror is not None and not mirror.is_dir():
        raise UserError(f"{mirror}: there is no such folder to fetch corpora from")
    places = Places(mirror=mirror, data=data or experiment.parent)
    return Runner(load(experiment), places, Workspace(workspace))
