"""A first experiment file for a pair, with comments."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment

TEMPLATE = Path(__file__).with_name("template.yaml.j2")
MANY_PAIRS, SOME_PAIRS = 20_000, 5_000


@dataclass(frozen=True)
class Wanted:
    """The things that an experiment file is made of."""

    path: str
    """The path of the file, for the comments."""
    name: str
    pair: str
    files: tuple[str, str] | None
    """The source and the target file of text of the user's own."""
    corpora: Sequence[str]
    """Corpora of OPUS, as NAME/VERSION."""
    sizes: str
    machine: str
    """The kind of machine that it will train on: cpu or gpu."""
    pairs: int | None
    """The number of pairs there are, if it is known."""


def render(wanted: Wanted) -> str:
    """Return the text of an experiment file."""
    source, target = wanted.pair.partition("-")[::2]
    many = wanted.pairs is None or wanted.pairs > MANY_PAIRS
    some = many or (wanted.pairs or 0) > SOME_PAIRS
    large = wanted.machine == "gpu"
    values = asdict(wanted) | {
        "source": source,
        "target": target,
        "held_out": 1000 if many else 300,
        "subwords": (8000 if large else 4000) if many else 2000 if some else 1000,
        "network_updates": 20_000 if large else 3000,
    }
    environment = Environment(trim_blocks=True, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(values)
