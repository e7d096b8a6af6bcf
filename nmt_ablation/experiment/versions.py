"""The versions that `latest` stands for."""

from collections.abc import Callable

from nmt_ablation.experiment.experiment import Experiment
from nmt_ablation.opus.corpora import CorpusVersion
from nmt_ablation.opus.lock import LATEST, Lock


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
