"""The command that copies a recipe."""

import re
from pathlib import Path

import click

from nmt_ablation.errors import UserError

SCHEMA = re.compile(r"^# yaml-language-server: .*\n", re.MULTILINE)
"""The line by which editors find the schema of a recipe where it stands."""


@click.command()
@click.argument("recipe", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path))
def new(recipe: str | None, file: Path | None) -> None:
    """Copy a recipe to FILE; without a name, list all recipes.

    A recipe is an experiment file that comes with nmt-ablation.

    \b
    Examples:
      nmt-ablation new
      nmt-ablation new quickstart
      nmt-ablation new opus-gl-en mine.yaml
    """
    from nmt_ablation.beside import folder
    from nmt_ablation.files import write_atomically

    there = {path.stem: path for path in sorted(folder("recipes").glob("*.yaml"))}
    if recipe is None:
        width = max(map(len, there))
        for name, path in there.items():
            click.echo(f"{name:{width}}  {_about(path)}")
        return
    if recipe not in there:
        raise UserError(f"there is no recipe '{recipe}'; there are: {', '.join(there)}")
    file = file or Path(f"{recipe}.yaml")
    if file.exists():
        raise UserError(f"{file}: is there already; name a new file")
    write_atomically(file, SCHEMA.sub("", there[recipe].read_text(encoding="utf-8")))
    click.echo(f"{file}: written; next: nmt-ablation validate {file} --data", err=True)


def _about(path: Path) -> str:
    """Return the first sentence of a recipe's comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    first = re.split(r"(?<! al)\. ", comment)[0]
    return first.partition(": ")[0].rstrip(".")
