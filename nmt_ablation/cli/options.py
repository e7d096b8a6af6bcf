"""Arguments and options that several commands share, and the objects made of them."""

import functools
import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from nmt_ablation.experiment.file import ExperimentFile
    from nmt_ablation.runner import Runner
EXPERIMENT = click.argument("experiment", type=click.Path(path_type=Path))
WORKSPACE = click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("checkpoints"),
    envvar="NMT_ABLATION_WORKSPACE",
    show_default=True,
    help="The folder for everything that is built.",
)


PLACES = ("workspace", "cache", "data", "mirror")
"""The options that say where an experiment's files are."""


def bytes_of(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read `5G` as a number of bytes."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)", value)
    if not found:
        raise click.BadParameter(f"'{value}' is no size; write bytes, 500M or 5G", ctx, param)
    return int(float(found[1]) * 1000 ** " kMGT".index(found[2] or " "))


CACHE = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="NMT_ABLATION_CACHE",
    help="Another workspace, perhaps a shared one, to take finished work from. It is only read.",
)
DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="NMT_ABLATION_DATA",
    help="The folder of files named in the experiment: corpora, held-out sets, vectors, lexicons.  "
    "[default: beside the experiment file]",
)
MIRROR = click.option(
    "--mirror",
    metavar="DIR_OR_URL",
    envvar="NMT_ABLATION_MIRROR",
    help="A folder or server in OPUS's layout to fetch corpora from.  [default: OPUS]",
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Jobs to run at the same time.  [default: as many as the cores allow; 1 on a GPU]",
)
MAX_BYTES = click.option(
    "--max-bytes",
    callback=bytes_of,
    metavar="BYTES",
    envvar="NMT_ABLATION_MAX_BYTES",
    help="Fetch no larger file: 500M, 5G.",
)


def on_experiment(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an experiment and a workspace, and pass it a `Runner`."""

    @functools.wraps(command)
    def call(
        experiment: Path,
        workspace: Path,
        cache: Path | None,
        data: Path | None,
        mirror: str | None,
        max_bytes: int | None = None,
        **options: Any,
    ) -> None:
        runner = runner_of(experiment, workspace, cache, data, mirror, max_bytes)
        command(runner, **options)

    for option in (WORKSPACE, CACHE, DATA, MIRROR, EXPERIMENT):
        call = option(call)
    return call


def hint(verb: str, experiment: Path) -> str:
    """Return another command on an experiment, with the options that this one was given."""
    context = click.get_current_context()
    group = context.find_root().command
    assert isinstance(group, click.Group)
    taken = {it.name for it in group.commands[verb].params}
    words = ["nmt-ablation", verb, str(experiment)]
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name in taken and isinstance(option, click.Option) and name in PLACES:
            words += [option.opts[0], str(context.params[name])]
    return shlex.join(words)


def runner_of(
    experiment: Path,
    workspace: Path,
    cache: Path | None,
    data: Path | None,
    mirror: str | None,
    max_bytes: int | None = None,
) -> "Runner":
    """Return the runner of an experiment in a workspace."""
    from nmt_ablation.places import Places
    from nmt_ablation.runner import Runner
    from nmt_ablation.workspace import Workspace

    places = Places(mirror=mirror, data=data or experiment.parent, max_bytes=max_bytes)
    return Runner(load_file(experiment, mirror), places, Workspace(workspace, cache))


def load_file(experiment: Path, mirror: str | None) -> "ExperimentFile":
    """Load an experiment file, with a version for each corpus."""
    from nmt_ablation.experiment.versions import load_with_versions

    return load_with_versions(experiment, mirror, partial(click.echo, err=True))
