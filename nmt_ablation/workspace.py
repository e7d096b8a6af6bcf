"""Artifacts by digest: each is built once, atomically, under a lock, and can be resumed.

A `Step` is a promise of a folder. Its digest covers its parameters and the digests of all its
inputs, so that a changed value gives another folder for what depends on it and for nothing else.
A folder that carries its final name is whole; one being built is called `DIGEST.partial`.
"""

import errno
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nmt_ablation import __version__
from nmt_ablation.errors import UserError
from nmt_ablation.files import UNFINISHED, lock, sha256, sync, write_atomically
from nmt_ablation.progress import OnProgress, Progress, ProgressFile

Json = Any
MANIFEST = "artifact.json"
PROVENANCE = "made-of.json"
"""Beside the manifest: what is on record of everything that an artifact was made of."""
_MADE_OF = ("stage", "digest", "version", "parameters", "inputs", "record")
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Build:
    """What a step's builder is given."""

    folder: Path
    """Where it writes."""
    inputs: Mapping[str, Path]
    """The finished folders of the step's inputs."""
    progress: OnProgress
    """To be told how far it is."""


@dataclass(frozen=True, eq=False)
class Step:
    """One artifact: what makes it, from what, and how."""

    stage: str
    """What kind it is: the name of its folder in the store."""
    version: int
    """Of the code that builds it; raised when that code gives another result."""
    parameters: Mapping[str, Json]
    """Everything that steers the build, as JSON."""
    inputs: Mapping[str, "Step"]
    builder: Callable[[Build], Json] = field(repr=False)
    """Fills the folder, and returns what is to be kept on record of it, as JSON."""
    resumable: bool = False
    """Whether the builder goes on from what it finds in its folder."""

    @cached_property
    def digest(self) -> str:
        """Of everything that makes this artifact: 20 hexadecimal digits."""
        recipe = {
            "stage": self.stage,
            "version": self.version,
            "parameters": self.parameters,
            "inputs": {name: step.digest for name, step in self.inputs.items()},
        }
        text = json.dumps(recipe, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def ancestors(self) -> Iterator["Step"]:
        """All steps this one needs, each before those that need it, and itself last."""
        seen: set[str] = set()

        def walk(step: Step) -> Iterator[Step]:
            if step.digest not in seen:
                seen.add(step.digest)
                for needed in step.inputs.values():
                    yield from walk(needed)
                yield step

        yield from walk(self)


class Workspace:
    """The folder that holds all artifacts, under `store`, and what each experiment reports.

    Artifacts that a cache has, another workspace that is only read, are taken from there.
    """

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root, self.cache = root, cache

    def check(self) -> None:
        """See that it has locks.

        Raises:
            UserError: its file system has none.
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

    def path(self, step: Step) -> Path:
        """Where the finished artifact is, or will be."""
        own = self._own(step)
        if self.cache is not None and not (own / MANIFEST).exists():
            theirs = self.cache / "store" / step.stage / step.digest
            if (theirs / MANIFEST).exists():
                return theirs
        return own

    def _own(self, step: Step) -> Path:
        """Where it is built, if it is."""
        return self.root / "store" / step.stage / step.digest

    def done(self, step: Step) -> bool:
        return (self.path(step) / MANIFEST).exists()

    def record(self, step: Step) -> Json:
        """What the finished step's builder put on record."""
        return self._manifest(step)["record"]

    def progress(self, step: Step) -> Progress | None:
        """How far a step is that is not finished; None if it hasn't told yet."""
        try:
            return Progress(*json.loads((self._partial(step) / PROGRESS).read_text()))
        except (FileNotFoundError, TypeError):  # TypeError: another version of this has told it
            return None

    def being_built(self, step: Step) -> bool:
        """Whether a process, here or on another machine, is at it."""
        if not self._partial(step).exists():
            return False
        try:
            with self._lock(step).acquire(timeout=0):
                return False
        except Timeout:
            return True

    def ensure(self, step: Step) -> Path:
        """Build a step, and first all that it needs; return its folder.

        Safe to call from several processes at once: one builds, the others wait for it.
        """
        for needed in self.to_build(step):
            self._build(needed)
        return self.path(step)

    def to_build(self, *steps: Step) -> list[Step]:
        """What is not built of these and of what they need, each after what it needs itself.

        What a finished artifact was made of may be gone: a disk has an end.
        """
        found: dict[str, Step] = {}

        def visit(step: Step) -> None:
            if step.digest not in found and not self.done(step):
                for needed in step.inputs.values():
                    visit(needed)
                found[step.digest] = step

        for step in steps:
            visit(step)
        return list(found.values())

    def made_of(self, step: Step) -> dict[str, Json]:
        """What is on record, by digest, of all that a finished artifact was made of."""
        made = json.loads((self.path(step) / PROVENANCE).read_text(encoding="utf-8"))
        return {each["digest"]: each for each in made}

    def forget(self, step: Step) -> None:
        """Remove a finished artifact, so that it is built anew."""
        own = self._own(step)
        with self._lock(step):
            if own.exists():
                # At once: half an artifact would be in the way of the next one.
                aside = own.rename(own.with_suffix(".forgotten"))
                shutil.rmtree(aside, ignore_errors=True)

    def _manifest(self, step: Step) -> Json:
        return json.loads((self.path(step) / MANIFEST).read_text(encoding="utf-8"))

    def _partial(self, step: Step) -> Path:
        return self._own(step).with_suffix(".partial")

    def ensure_together(
        self,
        steps: Sequence[Step],
        build: Callable[[Sequence[Step], Sequence[Build]], Sequence[Json | UserError]],
    ) -> dict[str, UserError]:
        """Build several resumable steps in one go, and first all that they need.

        Args:
            build: takes the place of the builders of those that are not built yet; returns a
                record of each, or what went wrong with it.

        Returns:
            what went wrong, by the step's digest.
        """
        for step in steps:
            for needed in step.inputs.values():
                self.ensure(needed)
        failed: dict[str, UserError] = {}
        with ExitStack() as locks:
            for step in sorted(steps, key=lambda step: step.digest):  # or two could wait in a ring
                locks.enter_context(self._locked(step))
            left = [step for step in steps if not self.done(step)]
            started = time.time()
            outcomes = build(left, [self._begin(step) for step in left]) if left else []
            for step, outcome in zip(left, outcomes, strict=True):
                if isinstance(outcome, UserError):
                    failed[step.digest] = outcome
                else:
                    self._finish(step, outcome, time.time() - started)
        return failed

    def _build(self, step: Step) -> None:
        with self._locked(step):
            if not self.done(step):
                started = time.time()
                record = step.builder(self._begin(step))
                self._finish(step, record, time.time() - started)

    def _lock(self, step: Step) -> FileLock:
        final = self._own(step)
        final.parent.mkdir(parents=True, exist_ok=True)
        return lock(final.with_suffix(".lock"))

    @contextmanager
    def _locked(self, step: Step) -> Iterator[None]:
        """Hold a step's lock, and see what whoever has held it before has done."""
        with self._lock(step):
            # NFS remembers for a minute what a folder had, unless this machine changes the folder.
            tempfile.NamedTemporaryFile(dir=self._own(step).parent).close()
            yield

    def _begin(self, step: Step) -> Build:
        partial = self._partial(step)
        if not step.resumable:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(exist_ok=True)
        return Build(
            folder=partial,
            inputs={name: self.path(needed) for name, needed in step.inputs.items()},
            progress=ProgressFile(partial / PROGRESS),
        )

    def _finish(self, step: Step, record: Json, seconds: float) -> None:
        """Make an artifact of what a builder has left in its folder."""
        final, partial = self._own(step), self._partial(step)
        # Killed right before it was renamed, a resumable step's folder has the latter two already.
        # Killed at any time, it may have files that were being written.
        unfinished = partial.rglob(f".*{UNFINISHED}")
        for path in [partial / PROGRESS, partial / PROVENANCE, partial / MANIFEST, *unfinished]:
            path.unlink(missing_ok=True)
        manifest = {
            "stage": step.stage,
            "digest": step.digest,
            "version": step.version,
            "parameters": step.parameters,
            "inputs": {name: needed.digest for name, needed in step.inputs.items()},
            "files": _hashes(partial),
            "record": record,
            "seconds": round(seconds, 1),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "nmt_ablation": __version__,
            "python": sys.version.split()[0],
        }
        made_of: dict[str, Json] = {}
        for needed in step.inputs.values():
            of_needed = self._manifest(needed)
            made_of |= self.made_of(needed)
            made_of[needed.digest] = {key: of_needed[key] for key in _MADE_OF}
        listed = json.dumps(list(made_of.values()), indent=1, ensure_ascii=False)
        (partial / PROVENANCE).write_text(listed, encoding="utf-8")
        for path in partial.rglob("*"):
            sync(path)
        write_atomically(partial / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))
        partial.rename(final)
        sync(final.parent)


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as workers:  # hashing lets other threads run
        hashes = workers.map(sha256, files)
        return {
            str(path.relative_to(folder)): found for path, found in zip(files, hashes, strict=True)
        }
