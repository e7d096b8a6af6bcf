"""The store of a workspace as a whole: what is in it, what is damaged, what nothing needs."""

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from nmt_ablation.artifact import DAMAGED, MANIFEST, PARTIAL, discard
from nmt_ablation.files import lock
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.stage import AnyStage

DAY_SECONDS = 86400


@dataclass(frozen=True)
class Artifact:
    """A folder of the store: an artifact, an unfinished one, or what is left of one."""

    path: Path
    bytes: int
    changed: float
    """The time of its last change, in seconds since 1970."""

    @property
    def digest(self) -> str:
        return self.path.name.partition(".")[0]

    @property
    def state(self) -> str:
        """finished, unfinished, damaged, or removed half."""
        states = {"": "finished", PARTIAL: "unfinished", DAMAGED: "damaged"}
        return states.get(self.path.suffix, "removed half")

    @property
    def days(self) -> float:
        """Days since its last change."""
        return (time.time() - self.changed) / DAY_SECONDS

    def remove(self) -> bool:
        """Remove it, unless a process is building it; return whether it was removed."""
        try:
            with lock(self.path.parent / f"{self.digest}.lock").acquire(timeout=0):
                discard(self.path)
        except Timeout:
            return False
        return True


def artifacts(root: Path) -> Iterator[Artifact]:
    """Yield all folders of a workspace's store."""
    for path in sorted((root / "store").glob("*/*")):
        if path.is_dir():
            files = [it.stat() for it in path.rglob("*") if it.is_file()]
            latest = max((it.st_mtime for it in files), default=path.stat().st_mtime)
            yield Artifact(path, sum(it.st_size for it in files), latest)


def finished(root: Path) -> list[Path]:
    """Return the folders of all finished artifacts."""
    folders = (path.parent for path in sorted((root / "store").glob(f"*/*/{MANIFEST}")))
    return [path for path in folders if not path.suffix]


def needed(pipelines: Iterable[Pipeline]) -> set[str]:
    """Return the digests of all stages that experiments need."""
    found: set[str] = set()
    for pipeline in pipelines:
        cells = pipeline.experiment.cells()
        tops: list[AnyStage] = [*pipeline.scores(cells), *pipeline.preparation(cells)]
        tops += [pipeline.calibration(), *pipeline.networks_of(cells).values()]
        tops += [stage for cell in cells for stage in pipeline.analyses(cell).values()]
        for top in tops:
            if top.digest not in found:
                found.update(it.digest for it in (top, *top.ancestors()))
    return found


def unneeded(
    root: Path, digests: Collection[str], older_than: float = 0, larger_than: int = 0
) -> list[Artifact]:
    """Return what is in a store and none of some stages, the largest first.

    Unfinished artifacts of these stages stay too.

    Args:
        digests: the digests of the stages.
        older_than: the fewest days since the last change.
        larger_than: the fewest bytes.
    """
    found = [
        it
        for it in artifacts(root)
        if (it.digest not in digests or it.state in ("damaged", "removed half"))
        and it.days >= older_than
        and it.bytes >= larger_than
    ]
    return sorted(found, key=lambda it: -it.bytes)
