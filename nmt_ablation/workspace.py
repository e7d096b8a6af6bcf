"""Artifacts by digest: each is built once, atomically, under a lock, and can be resumed.

A folder with its final name is complete; a folder being built is called `DIGEST.partial`.
"""

import errno
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from filelock import FileLock, Timeout
from pydantic import BaseModel, TypeAdapter

from nmt_ablation import __version__
from nmt_ablation.errors import UserError
from nmt_ablation.files import UNFINISHED, lock, sha256, sync, write_atomically
from nmt_ablation.progress import Progress, ProgressFile
from nmt_ablation.stage import Build, File, Record, Stage

MANIFEST = "artifact.json"
PROVENANCE = "made-of.json"
"""The file with the manifests of all that an artifact was made of, beside its own manifest."""
_MADE_OF = {"stage", "digest", "version", "parameters", "inputs", "record"}
"""Keys of those manifests that are kept."""
PROGRESS = "progress.json"


AnyKind = TypeVar("AnyKind", bound=Stage[Any])


class Manifest(BaseModel):
    """The description of a finished artifact."""

    stage: str
    digest: str
    version: int
    parameters: dict[str, Any]
    inputs: dict[str, str]
    """The digests of the inputs, by name."""
    record: Any
    """The return value of the stage's `build`, as JSON."""
    files: dict[str, str] = {}
    """The SHA-256 of each file, by its path in the folder."""
    seconds: float = 0.0
    """Seconds of the build, since it last began or resumed."""
    finished: str = ""
    nmt_ablation: str = ""
    python: str = ""


@dataclass(frozen=True)
class Provenance:
    """The records of an artifact and of everything that it was made of."""

    manifests: Mapping[str, Manifest]
    """Manifests by digest."""

    def __contains__(self, stage: Stage[Any]) -> bool:
        return stage.digest in self.manifests

    def __getitem__(self, stage: Stage[Record]) -> Record:
        """Return the record of a stage.

        Raises:
            KeyError: the artifact was not made of it.
        """
        return read_record(stage, self.manifests[stage.digest].record)

    def __or__(self, other: "Provenance") -> "Provenance":
        return Provenance({**self.manifests, **other.manifests})


class Workspace:
    """The folder that holds all artifacts, under `store`, and a folder for each experiment.

    Args:
        cache: another workspace, which is only read. Artifacts that it has are taken from there.
    """

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root, self.cache = root, cache

    def check(self) -> None:
        """Check that the workspace can lock files.

        Raises:
            UserError: its file system has no locks.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.root) as file:
            try:
                with lock(Path(file.name)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSYS:
                    raise
                raise UserError(
                    f"{self.root}: its file system has no locks (flock), so two processes could "
                    "build the same thing at once; have it mounted with them (Lustre: -o flock), "
                    "or use another --workspace"
                ) from None

    def path(self, stage: Stage[Any]) -> Path:
        """Return the folder where the finished artifact is, or will be."""
        own = self._own(stage)
        if self.cache is not None and not (own / MANIFEST).exists():
            theirs = self.cache / "store" / stage.name / stage.digest
            if (theirs / MANIFEST).exists():
                return theirs
        return own

    def _own(self, stage: Stage[Any]) -> Path:
        """Return the artifact's folder in this workspace, not in the cache."""
        return self.root / "store" / stage.name / stage.digest

    def done(self, stage: Stage[Any]) -> bool:
        return (self.path(stage) / MANIFEST).exists()

    def record(self, stage: Stage[Record]) -> Record:
        """Return the record of a finished stage."""
        return read_record(stage, self.manifest(stage).record)

    def file(self, file: File) -> Path:
        """Return the path of a file of a finished artifact."""
        return self.path(file.stage) / file.name

    def progress(self, stage: Stage[Any]) -> Progress | None:
        """Return the progress of an unfinished stage; None if there is no report of it yet."""
        try:
            return Progress(*json.loads((self.partial(stage) / PROGRESS).read_text()))
        except (FileNotFoundError, TypeError):  # TypeError: another version wrote the file
            return None

    def being_built(self, stage: Stage[Any]) -> bool:
        """Return True if a process, here or on another machine, is building the stage."""
        if not self.partial(stage).exists():
            return False
        try:
            with self._lock(stage).acquire(timeout=0):
                return False
        except Timeout:
            return True

    def ensure(self, stage: Stage[Any]) -> Path:
        """Build a stage after all that it needs; return its folder.

        Several processes may call this at once: one builds, the others wait for it.
        """
        for needed in self.to_build(stage):
            self._build(needed)
        return self.path(stage)

    def to_build(self, *stages: Stage[Any]) -> list[Stage[Any]]:
        """Return the unbuilt stages among these and all that they need, inputs first.

        Inputs of a finished artifact are not needed any more, and may have been deleted.
        """
        found: dict[str, Stage[Any]] = {}

        def visit(stage: Stage[Any]) -> None:
            if stage.digest not in found and not self.done(stage):
                for needed in stage.inputs.values():
                    visit(needed)
                found[stage.digest] = stage

        for stage in stages:
            if not stage.when_ready or all(map(self.done, stage.inputs.values())):
                visit(stage)
        return list(found.values())

    def provenance(self, stage: Stage[Any]) -> Provenance:
        """Return the records of a finished artifact and of all that it was made of.

        The inputs themselves may have been deleted.
        """
        made = json.loads((self.path(stage) / PROVENANCE).read_text(encoding="utf-8"))
        manifests = [*map(Manifest.model_validate, made), self.manifest(stage)]
        return Provenance({it.digest: it for it in manifests})

    def forget(self, stage: Stage[Any]) -> None:
        """Remove a finished artifact, so that it is built anew."""
        own = self._own(stage)
        with self._lock(stage):
            if own.exists():
                # Renamed first: if deletion is interrupted, no half artifact is left in place.
                aside = own.rename(own.with_suffix(".forgotten"))
                shutil.rmtree(aside, ignore_errors=True)

    def manifest(self, stage: Stage[Any]) -> Manifest:
        """Return the manifest of a finished artifact."""
        text = (self.path(stage) / MANIFEST).read_text(encoding="utf-8")
        return Manifest.model_validate_json(text)

    def partial(self, stage: Stage[Any]) -> Path:
        """Return the folder of an artifact that is being built."""
        return self._own(stage).with_suffix(".partial")

    def ensure_together(
        self,
        stages: Sequence[AnyKind],
        build: Callable[[Sequence[AnyKind], Sequence[Build]], Sequence[object]],
    ) -> dict[str, UserError]:
        """Build several resumable stages in one go, after all that they need.

        Args:
            build: a function that builds all stages which are not built yet, in place of their own
                `build`; it returns a record or an error for each.

        Returns:
            the errors, by the stage's digest.
        """
        for stage in stages:
            for needed in stage.inputs.values():
                self.ensure(needed)
        failed: dict[str, UserError] = {}
        with ExitStack() as locks:
            # In a fixed order, as two processes could otherwise wait for each other.
            for stage in sorted(stages, key=lambda stage: stage.digest):
                locks.enter_context(self._locked(stage))
            left = [stage for stage in stages if not self.done(stage)]
            started = time.time()
            outcomes = build(left, [self._begin(stage) for stage in left]) if left else []
            for stage, outcome in zip(left, outcomes, strict=True):
                if isinstance(outcome, UserError):
                    failed[stage.digest] = outcome
                else:
                    self._finish(stage, outcome, time.time() - started)
        return failed

    def _build(self, stage: Stage[Any]) -> None:
        with self._locked(stage):
            if not self.done(stage):
                started = time.time()
                record = stage.build(self._begin(stage))
                self._finish(stage, record, time.time() - started)

    def _lock(self, stage: Stage[Any]) -> FileLock:
        final = self._own(stage)
        final.parent.mkdir(parents=True, exist_ok=True)
        return lock(final.with_suffix(".lock"))

    @contextmanager
    def _locked(self, stage: Stage[Any]) -> Iterator[None]:
        """Hold a stage's lock, with the previous holder's files visible."""
        with self._lock(stage):
            # NFS caches the entries of a folder for a minute, unless this machine changes it.
            tempfile.NamedTemporaryFile(dir=self._own(stage).parent).close()
            yield

    def _begin(self, stage: Stage[Any]) -> Build:
        partial = self.partial(stage)
        if not stage.resumable:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(exist_ok=True)
        return Build(
            stage=stage,
            folder=partial,
            folders={needed.digest: self.path(needed) for needed in stage.inputs.values()},
            records=self.record,
            progress=ProgressFile(partial / PROGRESS),
        )

    def _finish(self, stage: Stage[Any], record: object, seconds: float) -> None:
        """Make an artifact of the files that a build left in its folder."""
        final, partial = self._own(stage), self.partial(stage)
        # A resumable stage's folder may be left by a killed process: with a manifest, if it was
        # about to be renamed, or with half-written files.
        unfinished = partial.rglob(f".*{UNFINISHED}")
        for path in [partial / PROGRESS, partial / PROVENANCE, partial / MANIFEST, *unfinished]:
            path.unlink(missing_ok=True)
        manifest = Manifest(
            stage=stage.name,
            digest=stage.digest,
            version=stage.version,
            parameters=stage.parameters,
            inputs={name: needed.digest for name, needed in stage.inputs.items()},
            files=_hashes(partial),
            record=_record_type(type(stage).build).dump_python(record, mode="json"),
            seconds=round(seconds, 1),
            finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            nmt_ablation=__version__,
            python=sys.version.split()[0],
        )
        made_of: dict[str, Any] = {}
        for needed in stage.inputs.values():
            made_of |= {
                digest: it.model_dump(include=_MADE_OF)
                for digest, it in self.provenance(needed).manifests.items()
            }
        listed = json.dumps(list(made_of.values()), indent=1, ensure_ascii=False)
        (partial / PROVENANCE).write_text(listed, encoding="utf-8")
        for path in partial.rglob("*"):
            sync(path)
        write_atomically(partial / MANIFEST, manifest.model_dump_json(indent=1))
        partial.rename(final)
        sync(final.parent)


def _hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as workers:  # hashing releases the interpreter's lock
        hashes = workers.map(sha256, files)
        return {
            str(path.relative_to(folder)): found for path, found in zip(files, hashes, strict=True)
        }


def read_record(stage: Stage[Record], plain: Any) -> Record:
    """Return a record in the type that its stage's `build` returns."""
    record: Record = _record_type(type(stage).build).validate_python(plain)
    return record


@cache
def _record_type(builder: Callable[..., Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(builder)["return"])
