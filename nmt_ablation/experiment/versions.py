"""The versions that `latest` stands for."""

from collections.abc import Callable
from pathlib import Path

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.experiment import Experiment
from nmt_ablation.experiment.file import ExperimentFile, load
from nmt_ablation.opus.corpora import CorpusVersion
from nmt_ablation.opus.fetch import is_url
from nmt_ablation.opus.lock import LATEST, Lock


def load_with_versions(
    path: Path, mirror: str | None, say: Callable[[str], None]
) -> ExperimentFile:
    """Load an experiment file, with a version for each corpus.

    Args:
        mirror: the folder or server that corpora come from, instead of OPUS.
        say: a function that is told what takes long.

    Raises:
        UserError: the file has mistakes, or there is no such mirror.
    """
    if mirror is not None and not is_url(mirror) and not Path(mirror).is_dir():
        raise UserError(f"{mirror}: there is no such folder to fetch corpora from")

    def latest(name: str, pair: str) -> str:
        from nmt_ablation.opus import catalogue

        return catalogue.latest(name, pair, mirror, say)

    def resolved(file: ExperimentFile) -> ExperimentFile:
        found = resolve(file.experiment, Lock.beside(file.path), latest)
        parents = {name: resolved(parent) for name, parent in file.parents.items()}
        return file.model_copy(update={"experiment": found, "parents": parents})

    return resolved(load(path))


def resolve(experiment: Experiment, lock: Lock, latest: Callable[[str, str], str]) -> Experiment:
    """Replace each `NAME/latest` in an experiment with a version.

    The version is the lock's, or else the one that `latest` returns for a name and a pair; the lock
    records the latter.

    Raises:
        UserError: `latest` raised it, or the lock can't be read or written.
    """

    def pinned(corpus: CorpusVersion, spelled: str | None) -> CorpusVersion:
        if corpus.version != LATEST:
            return corpus
        version = lock.version(corpus.name)
        if version is None:
            pair = spelled if spelled and "-" in spelled else experiment.pair
            version = lock.pin_version(corpus.name, latest(corpus.name, pair))
        return CorpusVersion(name=corpus.name, version=version)

    return experiment.model_copy(update={"corpora": experiment.corpora.pinned(pinned)})
