"""The costs of an experiment: bytes to fetch, disk space, and hours once an update is timed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nmt_ablation.corpus.config import OwnText, TextFile
from nmt_ablation.experiment import Cell, Experiment
from nmt_ablation.model.config import SPECIAL_SYMBOLS, Model
from nmt_ablation.objectives.auxiliary import Auxiliary
from nmt_ablation.opus.card import Card
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.stages.pretrained import Network
from nmt_ablation.stages.published import Published
from nmt_ablation.stages.training import FedBy, Train
from nmt_ablation.training.config import Training
from nmt_ablation.transfer.kept import KEPT, STATE_BYTES
from nmt_ablation.values import SIDES, Size, size_limit
from nmt_ablation.workspace import Workspace

UNPACKED = 8
"""The disk space of a corpus, in sizes of its zip.

The text is three to four times as large as the zip; the rest is the copy of the zip, and the index,
which takes half of a short pair's text.
"""
PAIR_BYTES = 1000
"""Bytes of a pair in a sample: its text, its subwords, and both in binary form."""
TOKEN_BYTES = 100
"""Bytes of a token of the target side in a sample, likewise."""
SENTENCE_TOKENS = 30
"""Tokens of a sentence, whose states are kept for features: most have fewer."""
PARAMETER_BYTES = 4 * 3
"""Bytes of a parameter in a checkpoint: its weight and both moments of Adam, in float32."""
CHECKPOINTS = 2
"""Checkpoints of a training: the last and the best."""
BESIDES_UPDATES = 1.2
"""The time of a cell with validation, checkpoints and scores, in times of its updates."""
START_SECONDS = 15
"""Seconds before a cell's first update, in a process of its own."""


@dataclass(frozen=True)
class Disk:
    """Upper bounds of disk space, in bytes."""

    corpora: int
    samples: int
    models: int

    @property
    def all(self) -> int:
        return self.corpora + self.samples + self.models


@dataclass(frozen=True)
class File:
    """A file that an experiment needs, from OPUS or its own."""

    path: str
    bytes: int | None
    """The size; None if neither the mirror's folder nor the pair's card states it."""
    fetched: bool
    parallel: bool
    """Sentence pairs, or else text in one language."""


def files(pipeline: Pipeline, workspace: Workspace, card: Card | None) -> list[File]:
    """List all files that an experiment needs, its own too, each once."""
    found = {}
    corpora = pipeline.experiment.corpora
    own = [it for it in corpora.parallel if isinstance(it, OwnText)]
    texts = [it for side in SIDES for it in corpora.texts(side) if isinstance(it, TextFile)]
    of_user = [(it.path, True) for corpus in own for it in pipeline.own_files(corpus)]
    of_user += [(pipeline.places.data / text.file, False) for text in texts]
    for own_path, parallel in of_user:
        bytes_there = own_path.stat().st_size if own_path.exists() else 0
        found[str(own_path)] = File(str(own_path), bytes_there, True, parallel)
    for stage in pipeline.fetched():
        path = stage.file
        fetched = workspace.done(stage)
        size = (
            workspace.record(stage).bytes if fetched else _size(path, pipeline.places.mirror, card)
        )
        found[path] = File(path, size, fetched, parallel="/mono/" not in path)
    return list(found.values())


def disk(experiment: Experiment, needed: list[File]) -> Disk:
    """Estimate the disk space of an experiment whose files have known sizes.

    The estimate is an upper bound: checkpoints count as if all cells trained at once.
    """
    pool = sum(file.bytes or 0 for file in needed if file.parallel) * UNPACKED
    text = sum(file.bytes or 0 for file in needed if not file.parallel) * UNPACKED
    # A pool of unknown size still bounds a sample by its own size.
    sizes = []
    for limit, by_tokens in map(size_limit, experiment.sizes):
        unit = TOKEN_BYTES if by_tokens else PAIR_BYTES
        sizes.append(pool if limit is None else limit * unit)
    weights = parameters(experiment.model, experiment.segmentation.size)
    return Disk(
        corpora=pool + text,
        samples=len(experiment.seeds) * sum(min(size, pool or size) for size in sizes),
        models=len(experiment.cells()) * _checkpoints(experiment) * weights * PARAMETER_BYTES,
    )


def states(pipeline: Pipeline) -> int:
    """Estimate the most bytes of states that a training keeps for frozen features while it
    runs."""
    of_size = {(cell.size, cell.arm): cell for cell in pipeline.experiment.cells()}
    kept = (
        _kept(fed, cell.size, pipeline.experiment.model)
        for cell in of_size.values()
        for fed in pipeline.train(cell).features
    )
    return max(kept, default=0)


def _kept(fed: FedBy, size: Size, model: Model) -> int:
    """Estimate the bytes of states that are kept for features, at most.

    Args:
        size: the size of the corpus.
        model: the architecture of the arms.
    """
    limit, by_tokens = size_limit(size)
    shape = fed.network.shape() if isinstance(fed.network, Published) else model
    if fed.tuned:
        return 0
    if limit is None or shape is None:
        return KEPT
    layers = 1 if fed.layer is not None else getattr(shape, f"{fed.stack}_layers") + 1
    tokens = limit if by_tokens else limit * SENTENCE_TOKENS
    return min(KEPT, tokens * layers * len(fed.views) * shape.dimension * STATE_BYTES)


def training_seconds(updates: int, of_update: float) -> float:
    """Return the longest time that a training can take; patience may end it sooner.

    Args:
        updates: its budget, in updates.
        of_update: the seconds of an update.
    """
    return updates * of_update * BESIDES_UPDATES + START_SECONDS


def cell_seconds(experiment: Experiment, of_update: float, cell: Cell | None = None) -> float:
    """Return the longest time that a cell can take, with a training at each learning rate.

    Args:
        of_update: the seconds of an update of translation alone.
        cell: the cell; without one, the longest time of any.
    """
    training = experiment.training
    arms = [cell.arm] if cell else experiment.arms
    slower = max(with_auxiliary(experiment.arms[arm].auxiliary.values(), training) for arm in arms)
    updates = training.updates_of(cell.size if cell else None)
    return len(training.rates) * training_seconds(updates, of_update * slower)


def with_auxiliary(auxiliary: Iterable[Auxiliary], training: Training) -> float:
    """Return how many times as long an update takes with auxiliary objectives, at most: their
    tokens take no longer than translation's."""
    tokens = training.batch_tokens * training.accumulate
    return 1 + sum(it.batch_tokens / it.every for it in auxiliary) / tokens


def network_seconds(experiment: Experiment, network: Network | Train, of_update: float) -> float:
    """Return about the longest time that a network or a parent takes, whose updates may have other
    sizes.

    Args:
        of_update: the seconds of an update of a cell's training.
    """
    if isinstance(network, Train):
        learning = network.training
        updates, tokens = learning.max_updates, learning.batch_tokens
        of_update *= with_auxiliary((it.settings for it in network.auxiliary), learning)
    else:
        updates, tokens = network.thing.updates, network.thing.batch_tokens
    return training_seconds(updates, of_update * tokens / experiment.training.batch_tokens)


def _checkpoints(experiment: Experiment) -> int:
    """Count the checkpoints of a cell."""
    rates = len(experiment.training.rates)
    return rates * CHECKPOINTS + (rates > 1)  # the one that is chosen is copied


def parameters(model: Model, subwords: int) -> int:
    """Count the parameters of a Transformer, with so many subwords in each dictionary."""
    width, hidden = model.dimension, model.feed_forward
    norm = 2 * width
    attention = 4 * (width * width + width) + norm
    feed_forward = 2 * width * hidden + hidden + width + norm
    layers = model.encoder_layers * (attention + feed_forward)
    layers += model.decoder_layers * (2 * attention + feed_forward)
    tables = {"none": 3, "decoder": 2, "all": 1}[model.tying]
    return layers + 2 * norm + tables * (subwords + SPECIAL_SYMBOLS) * width


def _size(path: str, mirror: Path | str | None, card: Card | None) -> int | None:
    if mirror is not None and (there := Path(mirror) / path).is_file():
        return there.stat().st_size
    return card.bytes(path) if card else None
