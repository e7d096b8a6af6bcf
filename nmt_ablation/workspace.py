"""Artifacts by digest: each is built once, atomically, under a lock, and can be resumed.

A folder with its final name is complete; a folder being built is called `DIGEST.partial`.
"""

import errno
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from nmt_ablation import __version__
from nmt_ablation.artifact import (
    MANIFEST,
    OTHER_SUM,
    PARTIAL,
    SEALS,
    DamagedError,
    Manifest,
    Provenance,
    damaged,
    discard,
    hashes,
    read_record,
    record_type,
    sealed,
    set_aside,
)
from nmt_ablation.errors import UserError, first_line
from nmt_ablation.files import ROOM, UNFINISHED, lock, sha256, sync, write_atomically, writing
from nmt_ablation.progress import Progress, ProgressFile
from nmt_ablation.stage import Build, File, Record, Stage
from nmt_ablation.stopping import StoppedError

PROVENANCE = "made-of.json"
"""The file with the manifests of all that an artifact was made of, beside its own manifest."""
_MADE_OF = {"stage", "digest", "version", "parameters", "inputs", "record"}
"""Keys of those manifests that are kept."""
PROGRESS = "progress.json"
CHECKED_BYTES = 1 << 26
"""The largest file that is checked each time it is used."""
FULL_BYTES = 1 << 20
"""The room on a disk below which it counts as full."""


AnyKind = TypeVar("AnyKind", bound=Stage[Any])


_MANIFESTS = TypeAdapter(list[Manifest])


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
        """Return the path of a file of a finished artifact.

        Raises:
            DamagedError: it is not the one that was built; large files are not checked.
        """
        path = self.path(file.stage) / file.name
        if path.is_file() and path.stat().st_size <= CHECKED_BYTES:
            built = self.manifest(file.stage).files.get(file.name)
            if built is not None and sha256(path) != built:
                raise DamagedError(self.path(file.stage), file.name, OTHER_SUM)
        return path

    def progress(self, stage: Stage[Any]) -> Progress | None:
        """Return the progress of an unfinished stage; None if there is no report of it yet."""
        try:
            return Progress(*json.loads((self.partial(stage) / PROGRESS).read_text()))
        except (FileNotFoundError, TypeError, ValueError):  # another version wrote it, or no one
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

        Raises:
            DamagedError: the file that has them is not what was built.
        """
        path = self.path(stage) / PROVENANCE
        try:
            made = _MANIFESTS.validate_json(sealed(path))
        except ValidationError as error:
            raise DamagedError(path.parent, path.name, first_line(error)) from None
        return Provenance({it.digest: it for it in [*made, self.manifest(stage)]})

    def forget(self, stage: Stage[Any]) -> None:
        """Remove a finished artifact, so that it is built again."""
        own = self._own(stage)
        with self._lock(stage):
            if own.exists():
                discard(own)

    def manifest(self, stage: Stage[Any]) -> Manifest:
        """Return the manifest of a finished artifact.

        Raises:
            DamagedError: it is not what was built.
        """
        path = self.path(stage) / MANIFEST
        try:
            return Manifest.model_validate_json(sealed(path))
        except ValidationError as error:
            raise DamagedError(path.parent, path.name, first_line(error)) from None

    def partial(self, stage: Stage[Any]) -> Path:
        """Return the folder of an artifact that is being built."""
        return self._own(stage).with_suffix(PARTIAL)

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
            for stage in left:
                locks.enter_context(self._explaining(stage))
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
                with self._explaining(stage):
                    record = stage.build(self._begin(stage))
                    self._finish(stage, record, time.time() - started)

    @contextmanager
    def _explaining(self, stage: Stage[Any]) -> Iterator[None]:
        """Say why a build has failed, if it is the disk's fault or an input's.

        Raises:
            UserError: the disk is full, or an input is damaged, which is set aside.
        """
        with ExitStack() as at_end, writing(self.root):
            at_end.push(lambda kind, error, _: self._explain(stage, error))
            yield

    def _explain(self, stage: Stage[Any], error: BaseException | None) -> bool:
        if not isinstance(error, Exception) or isinstance(error, StoppedError):
            return False
        if shutil.disk_usage(self.root).free < FULL_BYTES:
            raise UserError(f"{self.root}: the disk is full; {ROOM}") from error
        for needed in stage.inputs.values():
            folder = self._own(needed)
            if folder.exists() and (wrong := damaged(folder)):
                aside = set_aside(folder)
                raise UserError(
                    f"{folder}: is damaged or was edited ({', '.join(wrong)}); it is now {aside}, "
                    "and the same command builds it again"
                ) from error
        return False

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
            files=self.file,
            records=self.record,
            progress=ProgressFile(partial / PROGRESS),
        )

    def _finish(self, stage: Stage[Any], record: object, seconds: float) -> None:
        """Make an artifact of the files that a build left in its folder."""
        final, partial = self._own(stage), self.partial(stage)
        # A resumable stage's folder may be left by a killed process: with a manifest, if it was
        # about to be renamed, or with half-written files.
        unfinished = partial.rglob(f".*{UNFINISHED}")
        own = (PROGRESS, PROVENANCE, MANIFEST, SEALS)
        for path in [*(partial / name for name in own), *unfinished]:
            path.unlink(missing_ok=True)
        manifest = Manifest(
            stage=stage.name,
            digest=stage.digest,
            version=stage.version,
            parameters=stage.parameters,
            inputs={name: needed.digest for name, needed in stage.inputs.items()},
            files=hashes(partial),
            record=record_type(type(stage).build).dump_python(record, mode="json"),
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
        described = manifest.model_dump_json(indent=1)
        sums = manifest.files | {
            MANIFEST: hashlib.sha256(described.encode()).hexdigest(),
            PROVENANCE: sha256(partial / PROVENANCE),
        }
        lines = (f"{digest}  {name}\n" for name, digest in sums.items())
        (partial / SEALS).write_text("".join(lines), encoding="utf-8")
        for path in partial.rglob("*"):
            sync(path)
        write_atomically(partial / MANIFEST, described)
        partial.rename(final)
        sync(final.parent)
