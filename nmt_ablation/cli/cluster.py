"""The command that hands an experiment to a SLURM cluster."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt_ablation.cli.options import on_experiment

if TYPE_CHECKING:
    from nmt_ablation.runner import Runner


@click.command()
@on_experiment
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
    runner: "Runner",
    cluster: Path | None,
    failed: bool,
    memory: str | None,
    time: str | None,
    dry_run: bool,
) -> None:
    """Hand all that is not done yet to SLURM.

    That is preparation, arrays of cells, and the report. What needs a network is fetched here
    first. What is queued or done already is not submitted again.

    \b
    Examples:
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --dry-run
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --cluster mine.yaml
      nmt-ablation submit recipes/quickstart.yaml --mirror DIR --failed --memory 16G
    """
    from nmt_ablation.cli.progress import Bars
    from nmt_ablation.pipeline import Pipeline
    from nmt_ablation.runner import Work
    from nmt_ablation.slurm import cluster as clusters
    from nmt_ablation.slurm.submission import Submissions, write_scripts

    runner.check()
    asked = clusters.load(cluster, {"memory": memory, "time": time})
    submissions = Submissions(runner)
    with submissions.lock():
        cells, left_out = submissions.to_submit(failed)
        if left_out:
            click.echo(
                f"failed before, and left out: {', '.join(left_out)}; see --failed", err=True
            )
        if not cells:
            others = "all other cells" if left_out else "all cells"
            click.echo(f"There is nothing to submit: {others} are done or queued.")
            return
        if not dry_run:
            digests = {step.digest for step in runner.to_prepare()}
            with Bars(runner, {}) as bars:
                fetching = Work(partial(Pipeline.from_network, digests=digests))
                runner.run({"fetch": fetching}, 1, bars)
        made = write_scripts(runner, asked, cells, submissions.next_folder())
        if dry_run:
            for script in made.all():
                click.echo(f"# {script}\n{script.read_text(encoding='utf-8')}")
            made.remove()
            return
        for line in submissions.submit(made):
            click.echo(line)
    click.echo(
        f"Logs are in {made.folder}; how far it is says: nmt-ablation status {runner.file.path}"
    )
