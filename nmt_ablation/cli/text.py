"""Commands about corpora: list, mirror, cite, make up."""

import json
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt_ablation.cli.options import EXPERIMENT, MAX_BYTES, MIRROR, load_file
from nmt_ablation.errors import UserError

if TYPE_CHECKING:
    from rich.progress import TaskID


@click.command()
@click.argument("pair")
@click.option("--monolingual", is_flag=True, help="List text in each of the two languages.")
@click.option("--all-versions", is_flag=True, help="List older versions too.")
@click.option("--offline", is_flag=True, help="List OPUS as opustools knows it, of April 2023.")
@click.option(
    "--mirror",
    metavar="DIR_OR_URL",
    envvar="NMT_ABLATION_MIRROR",
    help="List a mirror of OPUS instead; --offline takes precedence.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print machine-readable output: a JSON array."
)
def corpora(
    pair: str,
    monolingual: bool,
    all_versions: bool,
    offline: bool,
    mirror: str | None,
    as_json: bool,
) -> None:
    """List the corpora of a language pair in OPUS.

    The largest comes first; all spellings of the languages are searched. An experiment names CORPUS
    and VERSION (`WikiMatrix/v1`), and PAIR too if the corpus spells the languages differently.

    \b
    Examples:
      nmt-ablation corpora fa-zh
      nmt-ablation corpora en-pt_br --offline --json
    """
    from rich.console import Console

    from nmt_ablation.opus import catalogue

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
        console = Console()
        long = len(entries) > console.height - 4
        with console.pager(styles=True) if long else nullcontext():
            console.print(catalogue.table(entries))
    else:
        click.echo("\n".join(catalogue.lines(entries)))


@click.command("mirror")
@EXPERIMENT
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to fill; files that are there stay.",
)
@MIRROR
@MAX_BYTES
def fill_mirror(experiment: Path, to: Path, mirror: str | None, max_bytes: int | None) -> None:
    """Copy the files of OPUS that an experiment needs.

    The folder serves machines without a network. Stop it at any moment; the same command goes on
    from there.

    \b
    Example:
      nmt-ablation mirror recipes/mine.yaml --to DIR
      nmt-ablation run recipes/mine.yaml --mirror DIR
    """
    from nmt_ablation.bars import short_name, transfers
    from nmt_ablation.files import machine_lock
    from nmt_ablation.opus.download import UnreachableError
    from nmt_ablation.opus.mirror import add, write_listing
    from nmt_ablation.pipeline import Pipeline
    from nmt_ablation.places import Places

    places = Places(mirror=mirror, data=experiment.parent, max_bytes=max_bytes)
    pipeline = Pipeline(load_file(experiment, mirror), places)
    files = {stage.file: stage.lock for stage in pipeline.fetched()}
    arrived, failed = [], []
    with machine_lock(f"mirror {to.resolve()}"), transfers() as bars:
        for file, lock in files.items():
            bar = bars.add_task(short_name(file), total=None)

            def progress(done: float, whole: float, bar: "TaskID" = bar) -> None:
                bars.update(bar, completed=done, total=whole or None)

            try:
                add(file, to, mirror, progress, lock, max_bytes)
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


@click.command()
@EXPERIMENT
@click.option(
    "--format",
    "form",
    type=click.Choice(["bibtex", "text"]),
    default="bibtex",
    show_default=True,
    help="BibTeX entries, or one line of text a reference.",
)
def cite(experiment: Path, form: str) -> None:
    """Print the references to cite, and the licences of the corpora.

    \b
    Examples:
      nmt-ablation cite recipes/opus-gl-en.yaml >references.bib
      nmt-ablation cite recipes/opus-gl-en.yaml --format text
    """
    from nmt_ablation import references
    from nmt_ablation.experiment.file import load

    write = references.as_bibtex if form == "bibtex" else references.as_text
    click.echo(write(load(experiment).experiment, references.entries()), nl=False)


@click.command()
@click.argument("mirror", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--pairs",
    type=click.IntRange(1),
    default=12_000,
    show_default=True,
    help="Sentence pairs to make.",
)
@click.option(
    "--lines",
    type=click.IntRange(1),
    default=120_000,
    show_default=True,
    help="Lines of monolingual text on each side.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Another number makes other text."
)
def synthesise(mirror: Path, pairs: int, lines: int, seed: int) -> None:
    """Make up a language pair, in OPUS's layout.

    The pair is xx-en, the corpus Synthetic/v1. The same numbers give the same bytes.

    \b
    Example:
      nmt-ablation synthesise checkpoints/synthetic-mirror
    """
    from nmt_ablation.opus.synthetic import write_mirror

    write_mirror(mirror, pairs, lines, seed)
    click.echo(f"{mirror}: {pairs:,} pairs and {lines:,} lines a side")
