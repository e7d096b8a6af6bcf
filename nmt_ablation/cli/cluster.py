"""The command that hands an experiment to a SLURM cluster."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt_ablation.cli.options import hint, on_experiment

if TYPE_CHECKING:
    from nmt_ablation.runner import Runner


@click.command()
@on_experiment
@click.option(
    "--cluster",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="NMT_ABLATION_CLUSTER",
    help="The resources to ask for; see slurm/cluster.yaml.",
)
@click.option(
    "--until-decided",
    is_flag=True,
    help="Submit the cells of the next look, then a job that makes this look and submits the rest.",
)
@click.option("--failed", is_flag=True, help="Submit only cells that failed before.")
@click.option("--memory", help="Memory to ask for, for all jobs submitted: 8G.")
@click.option("--time", help="Time to ask for: 08:00:00.")
@click.option("--dry-run", is_flag=True, help="Print the scripts, and submit nothing.")
def submit(
    runner: "Runner",
    cluster: Path | None,
    until_decided: bool,
    failed: bool,
    memory: str | None,
    time: str | None,
    dry_run: bool,
) -> None:
    """Hand everything that is not done yet to SLURM.

    Submits preparation, arrays of networks and of cells, and the report. Files from the internet
    are fetched here first. Cells that are queued or done are not submitted again.

    \b
    Examples:
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --dry-run
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --cluster mine.yaml
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --failed --memory 16G
      nmt-ablation submit mine.yaml --until-decided
    """
    from nmt_ablation import next_look
    from nmt_ablation.bars import Bars
    from nmt_ablation.runner import Work
    from nmt_ablation.slurm import cluster as clusters
    from nmt_ablation.slurm.layout import write_scripts
    from nmt_ablation.slurm.submission import Submissions

    runner.check()
    asked = clusters.load(cluster, {"memory": memory, "time": time})
    submissions = Submissions(runner)
    cells, again = runner.file.experiment.cells(), list[str]()
    if until_decided:
        click.echo(str(next_look.declare(runner)), err=True)
        look = next_look.next_look(runner)
        if not look.cells:
            click.echo(f"{look.so_far}: {hint('report', runner.file.path)}")
            return
        click.echo(str(look), err=True)
        cells, again = look.cells, _again(cluster, memory, time)
    with submissions.lock():
        wanted = submissions.to_submit(failed, cells)
        if wanted.left_out:
            click.echo(
                f"failed before, and left out: {', '.join(wanted.left_out)}; see --failed", err=True
            )
        if not wanted.cells:
            others = "all other cells" if wanted.left_out else "all cells"
            click.echo(f"There is nothing to submit: {others} are done or queued.")
            return
        if not dry_run:
            with Bars(runner, {}) as bars:
                fetching = [it for it in runner.to_prepare() if it.needs_network]
                runner.run({"fetch": Work(fetching)}, 1, bars)
        made = write_scripts(runner, asked, wanted, submissions.next_folder(), again)
        if dry_run:
            for script in made.all():
                click.echo(f"# {script}\n{script.read_text(encoding='utf-8')}")
            for line in made.describe():
                click.echo(line)
            made.remove()
            return
        for line in submissions.submit(made):
            click.echo(line)
    click.echo(f"Logs are in {made.folder}; see the progress: {hint('status', runner.file.path)}")


def _again(cluster: Path | None, memory: str | None, time: str | None) -> list[str]:
    """Return the options by which a job submits the next look."""
    from nmt_ablation.slurm.scripts import flags

    path = str(cluster.resolve()) if cluster else None
    return ["--until-decided", *flags({"cluster": path, "memory": memory, "time": time})]
