"""What an experiment will take: bytes to fetch, room on disk, and hours once an update is timed."""

from dataclasses import dataclass
from pathlib import Path

from nmt_ablation.experiment import Experiment, Model, OwnText, size_limit
from nmt_ablation.opus.card import Card
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.workspace import Workspace

UNPACKED = 8
"""A zip's text is three to four times as large; the rest is the copy of the zip, and the index, of
44 bytes a pair, the half of a short pair's text."""
PAIR_BYTES = 1000
"""Of one pair in a sample: its text, its pieces, and both in binary form."""
TOKEN_BYTES = 100
"""The same for each token of its target side."""
PARAMETER_BYTES = 4 * 3
"""Of one parameter in a checkpoint: a float32 for its weight and for each of Adam's two moments."""
CHECKPOINTS = 2
"""Of a cell at work: the last one and the best one."""
SPECIAL_SYMBOLS = 4
BESIDES_UPDATES = 1.2
"""Looks at the valid set, checkpoints and scores, as a factor on the time of updates."""
START_SECONDS = 15
"""Before a cell's first update, in a process of its own."""


@dataclass(frozen=True)
class Disk:
    """Bytes, none of them less than what is needed if the estimate holds."""

    corpora: int
    samples: int
    models: int

    @property
    def all(self) -> int:
        return self.corpora + self.samples + self.models


@dataclass(frozen=True)
class File:
    """A file that an experiment needs: of OPUS, or its own."""

    path: str
    bytes: int | None
    """None if neither the mirror's folder nor the pair's card says."""
    fetched: bool
    parallel: bool
    """Sentence pairs, or else text in one language."""


def files(pipeline: Pipeline, workspace: Workspace, card: Card | None) -> list[File]:
    """All files an experiment needs, its own too, each once."""
    found = {}
    corpora = pipeline.experiment.corpora
    for parallel, of_kind in ((True, corpora.parallel), (False, corpora.monolingual)):
        for corpus in of_kind:
            for own in pipeline.own_files(corpus) if isinstance(corpus, OwnText) else ():
                found[str(own)] = File(str(own), own.stat().st_size, True, parallel)
    for step in pipeline.fetched():
        path = step.parameters["file"]
        fetched = workspace.done(step)
        size = (
            workspace.record(step)["bytes"]
            if fetched
            else _size(path, pipeline.places.mirror, card)
        )
        found[path] = File(path, size, fetched, parallel="/mono/" not in path)
    return list(found.values())


def disk(experiment: Experiment, needed: list[File]) -> Disk:
    """Room for an experiment with files of known size.

    A bound rather than a forecast: checkpoints count as if all cells were at work at once.
    """
    pool = sum(file.bytes or 0 for file in needed if file.parallel) * UNPACKED
    text = sum(file.bytes or 0 for file in needed if not file.parallel) * UNPACKED
    # Without a known size a sample can still be no larger than it asks for.
    sizes = []
    for limit, by_tokens in map(size_limit, experiment.sizes):
        unit = TOKEN_BYTES if by_tokens else PAIR_BYTES
        sizes.append(pool if limit is None else limit * unit)
    weights = parameters(experiment.model, experiment.segmentation.size)
    return Disk(
        corpora=pool + text,
        samples=len(experiment.seeds) * sum(min(size, pool or size) for size in sizes),
        models=len(experiment.cells()) * weights * PARAMETER_BYTES * CHECKPOINTS,
    )


def cell_seconds(experiment: Experiment, seconds_of_update: float) -> float:
    """The longest that a cell can take; patience may end it sooner."""
    updates = experiment.training.max_updates * seconds_of_update
    return updates * BESIDES_UPDATES + START_SECONDS


def parameters(model: Model, pieces: int) -> int:
    """The number of a Transformer's parameters, with so many pieces in each dictionary."""
    width, hidden = model.width, model.feed_forward
    norm = 2 * width
    attention = 4 * (width * width + width) + norm
    feed_forward = 2 * width * hidden + hidden + width + norm
    layers = model.encoder_layers * (attention + feed_forward)
    layers += model.decoder_layers * (2 * attention + feed_forward)
    tables = {"none": 3, "decoder": 2, "all": 1}[model.tying]
    return layers + 2 * norm + tables * (pieces + SPECIAL_SYMBOLS) * width


def _size(path: str, mirror: Path | str | None, card: Card | None) -> int | None:
    if mirror is not None and (there := Path(mirror) / path).is_file():
        return there.stat().st_size
    return card.bytes(path) if card else None
