"""Commands that say beforehand what an experiment takes: plan, calibrate."""

from typing import TYPE_CHECKING

import click

from nmt_ablation.cli.options import on_experiment

if TYPE_CHECKING:
    from nmt_ablation.runner import Runner


@click.command()
@on_experiment
def plan(runner: "Runner") -> None:
    """Show what is done, what is left, and what it will take.

    Builds nothing. Hours are known after `nmt-ablation calibrate`; `nmt-ablation status` lists the
    cells.

    \b
    Example:
      nmt-ablation plan recipes/quickstart.yaml
    """
    from nmt_ablation.plan import lines

    for line in lines(runner):
        click.echo(line)


@click.command()
@on_experiment
@click.option("--again", is_flag=True, help="Measure again, for instance on another machine.")
def calibrate(runner: "Runner", again: bool) -> None:
    """Measure the time of one training update of an experiment's model.

    Takes about a minute, on made-up text. Afterwards `plan` estimates hours, and `submit` gives an
    array element several short cells. Run it on the kind of machine that will train.

    \b
    Examples:
      nmt-ablation calibrate recipes/quickstart.yaml
      srun --gpus 1 nmt-ablation calibrate recipes/quickstart.yaml --again
    """
    from nmt_ablation import cost
    from nmt_ablation.bars import Bars
    from nmt_ablation.plan import hours
    from nmt_ablation.runner import Work

    if again:
        runner.workspace.cache = None  # another machine's measurement doesn't count
        runner.workspace.forget(runner.pipeline.calibration())
    with Bars(runner, {}) as bars:
        runner.run({"calibration": Work([runner.pipeline.calibration()])}, 1, bars)
    experiment = runner.file.experiment
    training = experiment.training
    budgets = [
        (
            training.updates_of(it.size),
            cost.with_auxiliary(experiment.arms[it.arm].auxiliary.values(), training),
        )
        for it in experiment.cells()
        for _ in training.rates
    ]
    for line in hours(runner, budgets):
        click.echo(line)
