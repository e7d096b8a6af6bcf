"""The command that prints a JSON Schema, for editors."""

import json
from typing import Any

import click


@click.command()
@click.argument("file", type=click.Choice(["experiment", "cluster", "card"]), default="experiment")
def schema(file: str) -> None:
    """Print the JSON Schema of a file that you write.

    By it an editor completes keys, shows what they mean and marks mistakes. VS Code and others that
    use the YAML language server read it from a comment, as in recipes/quickstart.yaml.
    `nmt-ablation validate` finds more: whether keys fit together.

    \b
    Examples:
      nmt-ablation schema > experiment.schema.json
      nmt-ablation schema cluster
    """
    click.echo(json.dumps(schema_of(file), indent=1, ensure_ascii=False))


def schema_of(file: str) -> dict[str, Any]:
    """Return the JSON Schema of a file: its keys with their types, defaults and meanings."""
    from nmt_ablation.experiment import Experiment
    from nmt_ablation.opus.card import Card
    from nmt_ablation.slurm.cluster import Cluster
    from nmt_ablation.values import Block

    blocks: dict[str, type[Block]] = {"experiment": Experiment, "cluster": Cluster, "card": Card}
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **blocks[file].model_json_schema()}
