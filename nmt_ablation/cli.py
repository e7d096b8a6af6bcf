"""The command line: parse, call, print. Heavy modules are imported by the commands that use them,
so that `--help` answers at once."""

import json
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nmt_ablation import __version__
from nmt_ablation.errors import UserError
from nmt_ablation.stopping import EXIT_CODE, StoppedError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from nmt_ablation.experiment import Cell
    from nmt_ablation.experiment_file import ExperimentFile
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


def _bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read `5G` as a number of bytes."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)", value)
    if not found:
        raise click.BadParameter(f"'{value}' is no size; write bytes, 500M or 5G", ctx, param)
    return int(float(found[1]) * 1000 ** " kMGT".index(found[2] or " "))


MIRROR = click.option(
    "--mirror",
    metavar="DIR_OR_URL",
    envvar="NMT_ABLATION_MIRROR",
    help="A folder or server in OPUS's layout to fetch corpora from.  [default: OPUS]",
)
MAX_BYTES = click.option(
    "--max-bytes",
    callback=_bytes,
    metavar="BYTES",
    envvar="NMT_ABLATION_MAX_BYTES",
    help="Fetch no file that is larger: 500M, 5G.",
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
        MIRROR,
    ):
        command = option(command)
    return command


class _Group(click.Group):
    """Prints what the user can mend as a message, never as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoppedError as error:
            click.echo(f"nmt-ablation: {error}", err=True)
            ctx.exit(EXIT_CODE)
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
def plan(experiment: Path, workspace: Path, data: Path | None, mirror: str | None) -> None:
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
    for line in _needs(runner):
        click.echo(line)


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
@click.option(
    "--together/--apart",
    default=None,
    help="Train the arms of a size and seed in one process, which is faster on a GPU; each comes "
    "to what it comes to alone, but for rounding.  [default: together on a GPU]",
)
@MAX_BYTES
def run(
    experiment: Path,
    workspace: Path,
    data: Path | None,
    mirror: str | None,
    only: tuple[str, ...],
    prepare: bool,
    jobs: int | None,
    together: bool | None,
    max_bytes: int | None,
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
    from nmt_ablation.runner import Work

    runner = _runner(experiment, workspace, data, mirror, max_bytes)
    runner.check_lock()
    file = runner.file.experiment
    cells = {str(cell): cell for cell in file.cells()}
    for name in only:
        if name not in cells:
            raise UserError(f"{experiment}: has no cell '{name}'; allowed: {', '.join(cells)}")
    chosen = {name: cell for name, cell in cells.items() if not only or name in only}
    gpu = shutil.which("nvidia-smi") is not None
    # A GPU is one device, however many cores stand beside it.
    places = 1 if gpu else _cores()
    at_once = jobs or max(1, places // file.training.threads)
    together = gpu if together is None else together
    if together and not prepare:
        click.echo("Arms of one size and seed train in one process, on the same batches.", err=True)
    groups: dict[str, list[Cell]] = {}
    for name, cell in chosen.items():
        group = f"{cell.size}-s{cell.seed}" if together else name
        groups.setdefault(group, []).append(cell)
    phases = [{"preparation": Work(Pipeline.preparation)}]
    if not prepare:
        phases.append(
            {
                name: Work(partial(Pipeline.scores, cells=cells), cells, together=len(cells) > 1)
                for name, cells in groups.items()
            }
        )
    with Bars(runner, groups) as bars:
        for phase in phases:
            failed = runner.run(phase, at_once, bars)
            if failed:
                raise UserError("\n".join(failed.values()))


@main.command()
@EXPERIMENT
@_places
@click.option(
    "--cluster",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="NMT_ABLATION_CLUSTER",
    help="What to ask the cluster for; see slurm/cluster.yaml.",
)
@click.option("--failed", is_flag=True, help="Submit just what failed before.")
@click.option("--memory", help="Ask for so much: 8G. For --failed, or all that is submitted.")
@click.option("--time", help="Ask for so long: 08:00:00.")
@click.option("--dry-run", is_flag=True, help="Print the scripts, and submit nothing.")
def submit(
    experiment: Path,
    workspace: Path,
    data: Path | None,
    mirror: str | None,
    cluster: Path | None,
    failed: bool,
    memory: str | None,
    time: str | None,
    dry_run: bool,
) -> None:
    """Hand all that is not done yet to SLURM: preparation, an array of cells, the report.

    What needs a network is fetched here first. What is queued or done already is not submitted
    again.

    \b
    Examples:
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --dry-run
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --cluster mine.yaml
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --failed --memory 16G
    """
    from nmt_ablation.pipeline import Pipeline
    from nmt_ablation.progress import Bars
    from nmt_ablation.runner import Work
    from nmt_ablation.slurm import cluster as clusters
    from nmt_ablation.slurm.submission import Submissions, write_scripts

    runner = _runner(experiment, workspace.resolve(), data, mirror)
    runner.check_lock()
    asked = clusters.load(cluster, {"memory": memory, "time": time})
    submissions = Submissions(runner)
    with submissions.lock():
        cells, left_out = submissions.to_submit(failed)
        if left_out:
            click.echo(
                f"failed before, and left out: {', '.join(left_out)}; see --failed", err=True
            )
        if not cells:
            click.echo("There is nothing to submit: all cells are done or queued.")
            return
        if not dry_run:
            with Bars(runner, {}) as bars:
                fetching = {"fetch": Work(Pipeline.fetched)}
                if problems := runner.run(fetching, 1, bars):
                    raise UserError("\n".join(problems.values()))
        given = {"workspace": workspace, "data": data or experiment.parent, "mirror": mirror}
        places = [
            part
            for name, value in given.items()
            if value
            for part in (f"--{name}", _absolute(value))
        ]
        made = write_scripts(runner, asked, cells, places, submissions.next_folder())
        if dry_run:
            for script in made.all():
                click.echo(f"# {script}\n{script.read_text(encoding='utf-8')}")
            made.remove()
            return
        for line in submissions.submit(made):
            click.echo(line)
    click.echo(f"Logs are in {made.folder}; how far it is says: nmt-ablation status {experiment}")


@main.command()
@EXPERIMENT
@_places
@click.option("--json", "as_json", is_flag=True, help="For machines: one object a cell.")
def status(
    experiment: Path, workspace: Path, data: Path | None, mirror: str | None, as_json: bool
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
    experiment: Path, workspace: Path, data: Path | None, mirror: str | None, out: Path | None
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


@main.command("mirror")
@EXPERIMENT
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to fill; what it has already stays.",
)
@MIRROR
@MAX_BYTES
def fill_mirror(experiment: Path, to: Path, mirror: str | None, max_bytes: int | None) -> None:
    """Copy the files of OPUS that an experiment needs into a folder, for use without a network.

    Stop it at any moment and call it again: it goes on where it was.

    \b
    Example:
      nmt-ablation mirror recipes/mine.yaml --to DIR
      nmt-ablation run recipes/mine.yaml --mirror DIR
    """
    from nmt_ablation.corpus.download import UnreachableError
    from nmt_ablation.corpus.mirror import add, write_listing
    from nmt_ablation.pipeline import Pipeline
    from nmt_ablation.places import Places
    from nmt_ablation.progress import short_name, transfers
    from nmt_ablation.workspace import machine_lock

    places = Places(mirror=mirror, data=experiment.parent, max_bytes=max_bytes)
    pipeline = Pipeline(_load(experiment, mirror), places)
    files = dict.fromkeys(step.parameters["file"] for step in pipeline.fetched())
    arrived, failed = [], []
    with machine_lock(f"mirror {to.resolve()}"), transfers() as bars:
        for file in files:
            bar = bars.add_task(short_name(file), total=None)

            def tick(done: float, whole: float, bar: "TaskID" = bar) -> None:
                bars.update(bar, completed=done, total=whole or None)

            try:
                add(file, to, mirror, tick, pipeline.lock, max_bytes)
                arrived.append(file)
            except UserError as error:
                failed.append(str(error))
                if isinstance(error, UnreachableError):  # so are the others
                    break
        if arrived:
            write_listing(to, arrived)
    if failed:
        raise UserError("\n".join(failed))
    click.echo(f"{to}: has all {len(files)} files of {experiment}")


@main.command()
@EXPERIMENT
@click.option(
    "--format",
    "form",
    type=click.Choice(["bibtex", "text"]),
    default="bibtex",
    show_default=True,
    help="BibTeX entries, or a line of text for each.",
)
def cite(experiment: Path, form: str) -> None:
    """Write whom to cite for an experiment, and the licences of its corpora.

    \b
    Examples:
      nmt-ablation cite recipes/opus-gl-en.yaml >references.bib
      nmt-ablation cite recipes/opus-gl-en.yaml --format text
    """
    from nmt_ablation import references
    from nmt_ablation.experiment_file import load

    write = references.as_bibtex if form == "bibtex" else references.as_text
    click.echo(write(load(experiment).experiment, references.entries()), nl=False)


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
        partial(click.echo, err=True),
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


def _needs(runner: "Runner") -> Iterator[str]:
    """What is to be fetched, and the room it all takes."""
    from rich.filesize import decimal

    from nmt_ablation import cost
    from nmt_ablation.corpus import card

    experiment = runner.file.experiment
    files = cost.files(runner.pipeline, runner.workspace, card.card_for(experiment.pair))
    to_fetch = [file for file in files if not file.fetched]
    unknown = [file.path for file in to_fetch if file.bytes is None]
    if to_fetch:
        size = sum(file.bytes or 0 for file in to_fetch)
        known = f", {'more than ' if unknown else ''}{decimal(size)}" if size else ""
        besides = f"; of unknown size: {', '.join(unknown)}" if unknown else ""
        yield f"To fetch: {len(to_fetch)} files{known}{besides}."
    room = cost.disk(experiment, files)
    yield (
        f"On disk: {'more than' if unknown else 'up to'} {decimal(room.all)} "
        f"(corpora {decimal(room.corpora)}, samples {decimal(room.samples)}, "
        f"models {decimal(room.models)})."
    )


def _absolute(place: Path | str) -> str:
    """A folder as it is found from anywhere; a URL as it is."""
    from nmt_ablation.corpus.fetch import is_url

    return str(place) if isinstance(place, str) and is_url(place) else str(Path(place).resolve())


def _cores() -> int:
    """Those this process may use, where the system can say."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load(experiment: Path, mirror: str | None) -> "ExperimentFile":
    """An experiment whose corpora all have versions, to be fetched from a mirror that is there."""
    from nmt_ablation.corpus.fetch import is_url
    from nmt_ablation.corpus.lock import Lock, resolve
    from nmt_ablation.experiment_file import load

    if mirror is not None and not is_url(mirror) and not Path(mirror).is_dir():
        raise UserError(f"{mirror}: there is no such folder to fetch corpora from")

    def latest(name: str, pair: str) -> str:
        from nmt_ablation.corpus import catalogue

        return catalogue.latest(name, pair, mirror, partial(click.echo, err=True))

    file = load(experiment)
    resolved = resolve(file.experiment, Lock.beside(experiment), latest)
    return file.model_copy(update={"experiment": resolved})


def _runner(
    experiment: Path,
    workspace: Path,
    data: Path | None,
    mirror: str | None,
    max_bytes: int | None = None,
) -> "Runner":
    from nmt_ablation.places import Places
    from nmt_ablation.runner import Runner
    from nmt_ablation.workspace import Workspace

    places = Places(mirror=mirror, data=data or experiment.parent, max_bytes=max_bytes)
    return Runner(_load(experiment, mirror), places, Workspace(workspace))
