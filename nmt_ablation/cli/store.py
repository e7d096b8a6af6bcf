"""Commands on the store of a workspace: verify what is in it, and clean it."""

import sys
from pathlib import Path

import click

from nmt_ablation.cli.options import DATA, MIRROR, WORKSPACE, bytes_of, runner_of
from nmt_ablation.errors import UserError


@click.command()
@WORKSPACE
@click.option(
    "--set-aside", is_flag=True, help="Rename what is damaged, so that it is built again."
)
def verify(workspace: Path, set_aside: bool) -> None:
    """Check that everything in a workspace is what was built.

    Reads every file, and compares it with its SHA-256.

    \b
    Examples:
      nmt-ablation verify
      nmt-ablation verify --workspace DIR --set-aside
    """
    from rich.console import Console
    from rich.progress import track

    from nmt_ablation import artifact, store

    folders = store.finished(workspace)
    console = Console(stderr=True, highlight=False)
    shown = track(folders, "verify", console=console, disable=not console.is_terminal)
    wrong = 0
    for folder in shown:
        if files := artifact.damaged(folder):
            wrong += 1
            aside = f"; it is now {artifact.set_aside(folder)}" if set_aside else ""
            click.echo(f"{folder}: is damaged or was edited: {', '.join(files)}{aside}")
    click.echo(f"{len(folders)} artifacts, {wrong} damaged")
    if wrong and not set_aside:
        raise UserError(
            "some artifacts are damaged; the same command with --set-aside renames them, and the "
            "next run builds them again"
        )


@click.command()
@click.argument(
    "experiments", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)
@WORKSPACE
@DATA
@MIRROR
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    default=0,
    metavar="DAYS",
    help="Remove only what has not changed for this many days.",
)
@click.option(
    "--larger-than",
    callback=bytes_of,
    metavar="BYTES",
    help="Remove only folders of at least this size: 500M, 5G.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
def clean(
    experiments: tuple[Path, ...],
    workspace: Path,
    data: Path | None,
    mirror: str | None,
    older_than: float,
    larger_than: int | None,
    yes: bool,
) -> None:
    """Remove from a workspace what none of these experiments needs.

    Lists what can be removed with size and age, and asks first. What the experiments need stays,
    finished or not, so name all experiments that share the workspace.

    \b
    Examples:
      nmt-ablation clean mine.yaml other.yaml
      nmt-ablation clean mine.yaml --older-than 30 --larger-than 1G
    """
    from rich.filesize import decimal

    from nmt_ablation import store

    pipelines = [runner_of(it, workspace, None, data, mirror).pipeline for it in experiments]
    left = store.unneeded(workspace, store.needed(pipelines), older_than, larger_than or 0)
    if not left:
        click.echo("There is nothing to remove.")
        return
    for it in left:
        click.echo(f"{decimal(it.bytes):>10} {it.days:6.1f} days  {it.state:12} {it.path}")
    whole = decimal(sum(it.bytes for it in left))
    click.echo(
        f"{len(left)} folders, {whole}, are not needed by {' and '.join(map(str, experiments))}"
    )
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("nothing was removed: there is no terminal to ask on; add --yes")
        click.confirm("Remove them?", abort=True)
    busy = [it.path for it in left if not it.remove()]
    for place in busy:
        click.echo(f"{place}: is being built, and stays", err=True)
    click.echo(f"{len(left) - len(busy)} folders removed")
