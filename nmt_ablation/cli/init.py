"""The command that writes a first experiment file."""

import sys
from pathlib import Path

import click

from nmt_ablation.errors import UserError

MACHINES = ("cpu", "gpu")
SHARES = (64, 16, 4)
"""The sizes that are proposed, as parts of the pairs there are."""
USUAL_SIZES = "1k, 4k, 16k"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pair", help="Source and target language: de-en.")
@click.option("--source", help="A file of source sentences of your own, one a line.")
@click.option("--target", help="The file of their translations.")
@click.option("--corpus", "corpora", multiple=True, help="A corpus of OPUS, NAME/VERSION; repeat.")
@click.option("--sizes", help="Numbers of pairs to train on: 1k,4k.")
@click.option("--machine", type=click.Choice(MACHINES), help="What it will train on.")
def init(
    file: Path,
    pair: str | None,
    source: str | None,
    target: str | None,
    corpora: tuple[str, ...],
    sizes: str | None,
    machine: str | None,
) -> None:
    """Write a first experiment file, with comments, for a pair of your own.

    In a terminal, asks for what the options don't say. The arms are random, word vectors, a whole
    pretrained network, and a control: the same network without text from outside the sample.

    \b
    Examples:
      nmt-ablation init mine.yaml
      nmt-ablation init mine.yaml --pair de-en --source my.de --target my.en --machine cpu
      nmt-ablation init gl-en.yaml --pair gl-en --corpus TED2020/v1 --sizes 1k,4k --machine gpu
    """
    from nmt_ablation.experiment.file import load
    from nmt_ablation.experiment.template import Wanted, render
    from nmt_ablation.files import write_atomically

    if file.exists():
        raise UserError(f"{file}: is there already; name a new file")
    if (source is None) != (target is None):
        raise UserError("give both --source and --target, or neither")
    _check_complete(pair, source, corpora, machine)
    pair = pair or click.prompt("Source and target language, e.g. de-en")
    if source is None and not corpora:
        source = click.prompt(
            "Your file of source sentences (empty for corpora of OPUS)", default=""
        )
        if source:
            target = click.prompt("The file of their translations")
        else:
            asked = click.prompt(
                f"Corpora, as `nmt-ablation corpora {pair}` lists them (NAME/VERSION)"
            )
            corpora = tuple(asked.replace(",", " ").split())
    files = (source, target) if source and target else None
    pairs = _count(file.parent / source) if source else None
    proposed = _proposed(pairs)
    if sizes is None and sys.stdin.isatty():
        sizes = click.prompt("Numbers of pairs to train on", default=proposed)
    kinds = click.Choice(MACHINES)
    chosen: str = machine or click.prompt("Train on", type=kinds, default="cpu")
    wanted = Wanted(
        path=str(file),
        name=_name(file),
        pair=pair,
        files=files,
        corpora=corpora,
        sizes=sizes or proposed,
        machine=chosen,
        pairs=pairs,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, render(wanted))
    try:
        load(file)
    except UserError as error:
        file.unlink()
        said = str(error).replace(f"{file}:", "line ")
        raise UserError(f"{file} was not written: {said}") from None
    click.echo(f"{file}: written; next: nmt-ablation validate {file} --data")


def _check_complete(
    pair: str | None, source: str | None, corpora: tuple[str, ...], machine: str | None
) -> None:
    """Refuse to ask where nobody can answer.

    Raises:
        UserError: an option is missing, and there is no terminal.
    """
    missing = [
        *([] if pair else ["--pair"]),
        *([] if source or corpora else ["--source and --target, or --corpus"]),
        *([] if machine else ["--machine"]),
    ]
    if missing and not sys.stdin.isatty():
        raise UserError(f"there is no terminal to ask on; give {', '.join(missing)}")


def _count(path: Path) -> int:
    """Return the number of lines of a file."""
    from nmt_ablation.corpus.read import text_blocks

    return sum(block.count(b"\n") for block in text_blocks(path))


def _proposed(pairs: int | None) -> str:
    """Return sizes that leave a rest of the pairs there are."""
    if pairs is None:
        return USUAL_SIZES
    sizes = [pairs // share for share in SHARES if pairs // share >= 100]
    rounded = [int(float(f"{size:.1g}")) for size in sizes] or [max(1, pairs // 4)]
    return ", ".join(f"{it // 1000}k" if it % 1000 == 0 else str(it) for it in rounded)


def _name(file: Path) -> str:
    """Return a name for an experiment that a file may have."""
    kept = "".join(it if it.isascii() and it.isalnum() else "-" for it in file.stem.lower())
    return kept.strip("-")[:64] or "mine"
