"""The command line: parse, call, print.

Heavy modules are imported by the commands that use them, so that `--help` answers at once.
"""

from typing import Any

import click

from nmt_ablation import __version__
from nmt_ablation.cli import cluster, init, models, new, plan, reports, runs, schema, store, text
from nmt_ablation.errors import JobsError, UserError
from nmt_ablation.stopping import EXIT_CODE, StoppedError


class _Group(click.Group):
    """A group of commands that prints errors the user can mend as messages, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoppedError as error:
            click.echo(f"nmt-ablation: {error}", err=True)
            ctx.exit(EXIT_CODE)
        except JobsError as error:  # whose reasons were said as they failed
            lines = [f"{len(error.errors)} failed, see above: {', '.join(error.errors)}"]
            for line in lines + error.not_run:
                click.echo(f"error: {line}", err=True)
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
    """Measure which pretrained thing helps a translation model, by corpus size.

    \b
    Examples:
      nmt-ablation validate recipes/quickstart.yaml
      nmt-ablation plan recipes/quickstart.yaml
      nmt-ablation run recipes/quickstart.yaml --mirror DIR
      nmt-ablation report recipes/quickstart.yaml
    """


for command in (
    *(
        init.init,
        new.new,
        schema.schema,
        runs.validate,
        plan.plan,
        plan.calibrate,
        runs.find_lengths,
        runs.run,
        runs.status,
    ),
    *(reports.report, reports.draw, reports.analyse, reports.compare),
    cluster.submit,
    *(models.path, models.translate, models.export),
    *(store.verify, store.clean),
    *(text.corpora, text.fill_mirror, text.cite, text.synthesise),
):
    main.add_command(command)
