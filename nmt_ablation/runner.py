"""Jobs that build an experiment's cells, several at once, each in a process of its own.

fairseq keeps state between trainings, so each training needs its own process. Processes are forked
from a server that has already imported torch and fairseq, which takes seconds.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import parent_process
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nmt_ablation.errors import JobsError, UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.experiment.file import ExperimentFile
from nmt_ablation.files import write_atomically
from nmt_ablation.opus.lock import ChangedError
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.stage import Stage
from nmt_ablation.stages.training import Train, train_together
from nmt_ablation.stopping import EXIT_CODE, SIGNALS, StoppedError, when_asked
from nmt_ablation.workspace import Workspace

FILES = "files.json"
_DIGESTS = TypeAdapter(dict[str, str])
POLL_SECONDS = 0.2
PRELOAD = [
    "nmt_ablation.training.glue",  # first, as it imports fairseq without some of its dependencies
    "nmt_ablation.training.launch",
    "nmt_ablation.translation.engine",
    "nmt_ablation.runner",
    "sacrebleu",
]
"""The modules that every job needs: each job would import them again."""


@dataclass(frozen=True)
class Work:
    """The work of a job."""

    stages: Sequence[Stage[Any]]
    """The stages to build, one after the other."""
    cells: Sequence[Cell] = ()
    """The cells whose scores these stages are."""
    together: Sequence[Train] = ()
    """Trainings of one size and seed to run side by side first."""
    needs: Sequence[str] = ()
    """The names of the jobs that build what these stages need."""


class Job:
    """Work being done in a process of its own."""

    def __init__(self, name: str, work: Work, runner: "Runner") -> None:
        self.name = name
        self.started = time.monotonic()
        self.log = runner.logs / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        for failure in map(runner.failure_file, [name, *map(str, work.cells)]):
            failure.unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        self.outcome, theirs = context.Pipe(duplex=False)
        # The server has the environment of this program's first run.
        arguments = (work, runner.workspace, self.log, theirs, dict(os.environ))
        self.process: ForkServerProcess = context.Process(target=_work, args=arguments)
        # A terminal sends Ctrl-C to all processes, a cluster SIGTERM. Only this process handles
        # them, and stops the jobs. The server blocks these signals, as it must outlive its jobs to
        # report their ends; a job blocks them until it can handle them.
        resource_tracker.ensure_running()  # started now, as its start would unblock the signals
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *SIGNALS})
        try:
            with _without_main():
                self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def alive(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def ask_to_stop(self) -> None:
        """Have the job stop soon: a training with a checkpoint, all other work at once."""
        if self.process.pid is not None and self.alive():
            with suppress(ProcessLookupError):  # the process may have ended just now
                os.kill(self.process.pid, signal.SIGUSR1)

    def has_stopped(self) -> bool:
        """Wait for the job, and return True if it stopped on request and can be resumed."""
        self.process.join()
        return self.process.exitcode == EXIT_CODE

    def error(self) -> str | None:
        """Wait for the job, and return its error, or None."""
        self.process.join()
        if self.process.exitcode == 0:
            return None
        return self._said() or (
            f"{self.name} ended with exit code {self.process.exitcode}: "
            f"{' '.join(last_lines(self.log, 1)) or 'nothing in its log'} (see {self.log})"
        )

    def _said(self) -> str | None:
        """Return the error that the job itself has reported."""
        try:
            return str(self.outcome.recv()) if self.outcome.poll() else None
        except EOFError:
            return None


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from running the main program again in each job: a script may have no
    guard against that."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def last_lines(log: Path, number: int) -> list[str]:
    """Return the last lines of a log that are not blank; none if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-number:]


class Runner:
    """A runner of jobs, which reports on them to a watcher."""

    def __init__(self, file: ExperimentFile, places: Places, workspace: Workspace) -> None:
        self.file, self.workspace = file, workspace
        self.folder = workspace.root / file.experiment.name
        """The experiment's own folder: report, logs, submissions."""
        self.places = replace(places, known=self._known())
        self.pipeline = Pipeline(file, self.places)
        self.logs = self.folder / "logs"

    def write_events(self) -> None:
        """Have trainings write TensorBoard's files too."""
        self.places = replace(self.places, events=self.folder / "tensorboard")
        self.pipeline = Pipeline(self.file, self.places)

    def failure_file(self, name: str) -> Path:
        """Return the file that says why the last run of a cell, or of another job, failed."""
        return self.logs / f"{name}.failed"

    def check(self) -> None:
        """Check, before any job runs, the workspace's locks, the metrics and the fetched files.

        Files that are already fetched, perhaps for another experiment, must be those that the lock
        file names. The lock file records those that it doesn't name.

        Raises:
            UserError: a check fails, or the lock file can't be written.
        """
        self.workspace.check()
        self.file.experiment.scoring.check()
        self._remember()
        for stage in self.pipeline.fetched():
            if self.workspace.done(stage):
                record = self.workspace.record(stage)
                try:
                    stage.lock.pin_file(record.file, record.bytes, record.sha256)
                except ChangedError as error:
                    raise UserError(
                        f"{error}; the changed file is in {self.workspace.path(stage)}: remove "
                        "that folder to fetch it again, or use another --workspace"
                    ) from None

    def _known(self) -> dict[str, str]:
        """Return the digests of the user's files in earlier runs."""
        try:
            return _DIGESTS.validate_json((self.folder / FILES).read_bytes())
        except (OSError, ValidationError):
            return {}

    def _remember(self) -> None:
        """Keep the digests of the user's files, which may be removed once nothing needs them."""
        self.pipeline.scores(self.file.experiment.cells())
        now = {path: it.sha256 for path, it in self.pipeline.own.items()}
        if now and now.items() - self.places.known.items():
            self.folder.mkdir(parents=True, exist_ok=True)
            known = _DIGESTS.dump_json({**self.places.known, **now}, indent=1)
            write_atomically(self.folder / FILES, known)

    def unfinished(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that have unbuilt stages."""
        return [cell for cell in cells if self.left(cell)]

    def to_prepare(self) -> list[Stage[Any]]:
        """Return the unbuilt stages that trainings of unfinished cells need, but for networks."""
        cells = self.unfinished(self.file.experiment.cells())
        return self.workspace.to_build(*self.pipeline.preparation(cells)) if cells else []

    def left(self, cell: Cell) -> list[Stage[Any]]:
        """Return the unbuilt stages of a cell, from corpora to scores."""
        return self.workspace.to_build(*self.pipeline.scores([cell]))

    def run(self, jobs: Mapping[str, Work], at_once: int, watch: "Watcher") -> None:
        """Run the jobs that have unbuilt stages, each as soon as the jobs it needs have ended.

        Raises:
            JobsError: some jobs failed.
            StoppedError: this process or a job got SIGUSR1 or SIGTERM; all jobs can be resumed.
        """
        left = {
            name: stages
            for name, work in jobs.items()
            if (stages := self.workspace.to_build(*work.stages))
        }
        waiting = list(left)
        running: dict[str, Job] = {}
        failed: dict[str, str] = {}
        """The errors, by the names of the jobs that failed or that need one that did."""
        in_vain: list[str] = []
        asked: list[bool] = []
        with when_asked(lambda: asked.append(True)), ExitStack() as at_end:
            while waiting or running:
                if asked:
                    waiting = []
                    for job in running.values():
                        job.ask_to_stop()
                for name in waiting[:]:
                    unfinished = [it for it in jobs[name].needs if it in waiting or it in running]
                    if lacking := [it for it in jobs[name].needs if it in failed]:
                        waiting.remove(name)
                        in_vain.append(name)
                        failed[name] = failed[lacking[0]]
                        self._note_failure(name, jobs[name], failed[name])
                    elif not unfinished and len(running) < at_once:
                        waiting.remove(name)
                        running[name] = Job(name, jobs[name], self)
                        at_end.callback(running[name].kill)
                connection.wait([job.process.sentinel for job in running.values()], POLL_SECONDS)
                for name, job in list(running.items()):
                    if job.alive():
                        left[name] = [it for it in left[name] if not self.workspace.done(it)]
                        watch.running(name, left[name], self.workspace)
                    else:
                        del running[name]
                        if job.has_stopped():
                            asked.append(True)
                            continue
                        if (error := job.error()) is not None:
                            failed[name] = error
                            self._note_failure(name, jobs[name], error)
                        watch.ended(name, time.monotonic() - job.started, error)
        if failed:
            own = {name: error for name, error in failed.items() if name not in in_vain}
            raise JobsError(own, in_vain)
        if asked:
            raise StoppedError("stopped when asked to; the same command goes on from here")

    def _note_failure(self, name: str, work: Work, error: str) -> None:
        """Write why a job and its cells have failed, for `status`, if there is room to."""
        for each in {name, *map(str, work.cells)}:
            with suppress(OSError):
                write_atomically(self.failure_file(each), error)


class Watcher:
    """A watcher of jobs; this one ignores all reports."""

    def running(self, name: str, left: list[Stage[Any]], workspace: Workspace) -> None:
        """Note that a job is building the first of the stages that are left."""

    def ended(self, name: str, seconds: float, error: str | None) -> None:
        """Note that a job has ended, with an error or without."""


def _work(
    work: Work,
    workspace: Workspace,
    log: Path,
    outcome: Connection,
    environment: Mapping[str, str],
) -> None:
    """Build a job's stages, in the job's own process."""
    os.environ.clear()
    os.environ.update(environment)
    # By file descriptors, as libraries also print from C.
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    logging.getLogger("filelock").setLevel(logging.WARNING)  # fairseq turns all of it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for number in SIGNALS:  # a training puts its own handler in their place
        signal.signal(number, lambda *_: os._exit(EXIT_CODE))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        failed = train_together(work.together, workspace) if work.together else {}
        for stage in work.stages:
            if not any(needed.digest in failed for needed in stage.ancestors()):
                workspace.ensure(stage)
        if failed:
            raise UserError("\n".join(map(str, failed.values())))
    except StoppedError:
        os._exit(EXIT_CODE)
    except UserError as error:
        outcome.send(str(error))
        with suppress(OSError):  # the log may be on the disk that is full
            traceback.print_exc()
        sys.exit(1)


def _end_with_parent() -> None:
    """End this job with its parent: a killed command must not leave trainings that hold locks."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
