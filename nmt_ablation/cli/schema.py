"""The command that prints a JSON Schema, for editors."""

import json
from typing import Any

import click


@click.command()
@click.argument("file", type=click.Choice(["experiment", "cluster", "card"]), default="experiment")
def schema(file: str) -> None:
    """Print the JSON Schema of a file that you write.

    An editor uses the schema to complete and explain keys, and to mark mistakes. VS Code and other
    editors with the YAML language server find it by a comment, as in recipes/quickstart.yaml.
    `nmt-ablation validate` finds more mistakes: it also checks whether keys fit together.

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
    found = {"$schema": draft, **blocks[file].model_json_schema()}
    _explain_names(found)
    return found


def _explain_names(part: Any) -> None:
    """Give each key that names one sort of block, such as `kind: word2vec`, the meaning of that
    block."""
    parts = part if isinstance(part, list) else part.values() if isinstance(part, dict) else ()
    for inner in parts:
        _explain_names(inner)
    if isinstance(part, dict) and isinstance(properties := part.get("properties"), dict):
        for its in properties.values():
            if "const" in its and "description" in part:
                its.setdefault("description", part["description"])
