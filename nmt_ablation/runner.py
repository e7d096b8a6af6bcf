"""Run an experiment's cells, several at once, each in a process of its own.

fairseq keeps state between two trainings, so each cell has its own process. They are forked from
a server that has torch and fairseq imported already, which takes seconds that way paid once.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import parent_process
from pathlib import Path

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.experiment_file import ExperimentFile
from nmt_ablation.files import write_atomically
from nmt_ablation.opus.lock import ChangedError
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.stopping import EXIT_CODE, SIGNALS, StoppedError, when_asked
from nmt_ablation.workspace import Step, Workspace

POLL_SECONDS = 0.2
PRELOAD = [
    *("nmt_ablation.training.launch", "nmt_ablation.translation.engine", "sacrebleu"),
    "torch._dynamo",  # which the first optimizer of a process loads
]

StepsOf = Callable[[Pipeline], list[Step]]
"""A method of `Pipeline`, perhaps with arguments bound: steps can't travel to another process, but
what makes them can."""


@dataclass(frozen=True)
class Work:
    """What a job is to do."""

    steps: StepsOf
    """To be built, one after the other."""
    cells: Sequence[Cell] = ()
    """Whose scores those are."""
    together: bool = False
    """Whether these cells, of one size and seed, are trained side by side first."""


class Job:
    """Work being done in a process of its own."""

    def __init__(self, name: str, work: Work, runner: "Runner") -> None:
        self.name = name
        self.started = time.monotonic()
        self.log = runner.logs / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.failures = [runner.failure_file(cell) for cell in work.cells]
        for failure in self.failures:
            failure.unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        self.outcome, theirs = context.Pipe(duplex=False)
        arguments = (work, runner.file, runner.places, runner.workspace, self.log, theirs)
        self.process: ForkServerProcess = context.Process(target=_work, args=arguments)
        # A terminal sends Ctrl-C to all processes, a cluster SIGTERM. This one stops the jobs; the
        # server keeps these signals blocked, as it is to outlive the jobs it tells the end of, and
        # a job until it can answer them.
        resource_tracker.ensure_running()  # which would unblock them, if it were started last
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *SIGNALS})
        try:
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
        """Have it end soon: a training with a checkpoint, all else where it stands."""
        if self.process.pid is not None and self.alive():
            with suppress(ProcessLookupError):  # it may have ended just now
                os.kill(self.process.pid, signal.SIGUSR1)

    def has_stopped(self) -> bool:
        """Whether it was asked to, by whomever, and is where it can go on."""
        self.process.join()
        return self.process.exitcode == EXIT_CODE

    def error(self) -> str | None:
        """What went wrong, once it has ended; kept for its cells, to be asked for later."""
        self.process.join()
        if self.process.exitcode == 0:
            return None
        error = self._said() or (
            f"{self.name} ended with exit code {self.process.exitcode}: "
            f"{' '.join(last_lines(self.log, 1)) or 'nothing in its log'} (see {self.log})"
        )
        for failure in self.failures:
            write_atomically(failure, error)
        return error

    def _said(self) -> str | None:
        """What the job itself has said went wrong."""
        try:
            return str(self.outcome.recv()) if self.outcome.poll() else None
        except EOFError:
            return None


def last_lines(log: Path, number: int) -> list[str]:
    """Of what isn't blank in a log that may be of any length, or not there."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-number:]


class Runner:
    """Runs jobs, and tells a watcher how they fare."""

    def __init__(self, file: ExperimentFile, places: Places, workspace: Workspace) -> None:
        self.pipeline = Pipeline(file, places)
        self.file, self.places, self.workspace = file, places, workspace
        self.folder = workspace.root / file.experiment.name
        """For what is the experiment's own: report, logs, what was submitted."""
        self.logs = self.folder / "logs"

    def write_events(self) -> None:
        """Have trainings write for TensorBoard too."""
        self.places = replace(self.places, events=self.folder / "tensorboard")

    def failure_file(self, cell: Cell) -> Path:
        """Where it stands why a cell failed when it was run last."""
        return self.logs / f"{cell}.failed"

    def to_do(self, make: StepsOf) -> list[Step]:
        """The steps that are not built yet, each after those it needs."""
        return self.workspace.to_build(*make(self.pipeline))

    def check(self) -> None:
        """See beforehand that there are locks, that scores can be made, and that what was fetched,
        perhaps for another experiment, is what the lock file names; record what it doesn't name.

        Raises:
            UserError: one of these is not so, or the lock file can't be written.
        """
        from nmt_ablation.scoring import check  # takes a while

        self.workspace.check()
        check(self.file.experiment.scoring.bleu_tokenizer)
        for step in self.pipeline.fetched():
            if self.workspace.done(step):
                record = self.workspace.record(step)
                try:
                    self.pipeline.lock.pin_file(record["file"], record["bytes"], record["sha256"])
                except ChangedError as error:
                    raise UserError(
                        f"{error}; the one that is now is in {self.workspace.path(step)}: remove "
                        "that folder to fetch it anew, or use another --workspace"
                    ) from None

    def unfinished(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those that something is left to do for."""
        return [cell for cell in cells if self.left(cell)]

    def to_prepare(self) -> list[Step]:
        """What the unfinished cells of the experiment share and isn't built."""
        cells = self.unfinished(self.file.experiment.cells())
        return self.to_do(partial(Pipeline.preparation, cells=cells))

    def left(self, cell: Cell) -> list[Step]:
        """The steps that are not built yet, from corpora to a cell's scores."""
        return self.to_do(partial(Pipeline.scores, cells=[cell]))

    def run(self, jobs: dict[str, Work], at_once: int, watch: "Watcher") -> None:
        """Run jobs that have something to do.

        Raises:
            UserError: some have failed, and why; the others were run all the same.
            StoppedError: this process or a job got SIGUSR1 or SIGTERM; all jobs are where they can
                go on.
        """
        left = {name: steps for name, work in jobs.items() if (steps := self.to_do(work.steps))}
        waiting = list(left)
        running: dict[str, Job] = {}
        failed: list[str] = []
        asked: list[bool] = []
        with when_asked(lambda: asked.append(True)), ExitStack() as at_end:
            while waiting or running:
                if asked:
                    waiting = []
                    for job in running.values():
                        job.ask_to_stop()
                while waiting and len(running) < at_once:
                    name = waiting.pop(0)
                    running[name] = Job(name, jobs[name], self)
                    at_end.callback(running[name].kill)
                time.sleep(POLL_SECONDS)
                for name, job in list(running.items()):
                    if job.alive():
                        left[name] = [step for step in left[name] if not self.workspace.done(step)]
                        watch.running(name, left[name], self.workspace)
                    else:
                        del running[name]
                        if job.has_stopped():
                            asked.append(True)
                            continue
                        if (error := job.error()) is not None:
                            failed.append(error)
                        watch.ended(name, time.monotonic() - job.started, error)
        if failed:
            raise UserError("\n".join(failed))
        if asked:
            raise StoppedError("stopped when asked to; the same command goes on from here")


class Watcher:
    """Told how jobs fare; does nothing about it."""

    def running(self, name: str, left: list[Step], workspace: Workspace) -> None:
        """A job is at the first of the steps that are left."""

    def ended(self, name: str, seconds: float, error: str | None) -> None:
        """A job has ended, well or with an error."""


def _work(
    work: Work,
    file: ExperimentFile,
    places: Places,
    workspace: Workspace,
    log: Path,
    outcome: Connection,
) -> None:
    """In the job's own process: build its steps."""
    # What libraries print belongs in the log, also what they print from C.
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    logging.getLogger("filelock").setLevel(logging.WARNING)  # fairseq turns all of it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for number in SIGNALS:  # a training puts its own handler in their place
        signal.signal(number, lambda *_: os._exit(EXIT_CODE))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    pipeline = Pipeline(file, places)
    try:
        failed = pipeline.train_together(work.cells, workspace) if work.together else {}
        for step in work.steps(pipeline):
            if not any(needed.digest in failed for needed in step.ancestors()):
                workspace.ensure(step)
        if failed:
            raise UserError("\n".join(map(str, failed.values())))
    except StoppedError:
        os._exit(EXIT_CODE)
    except UserError as error:
        traceback.print_exc()
        outcome.send(str(error))
        sys.exit(1)


def _end_with_parent() -> None:
    """A killed command must not leave trainings behind that hold its locks."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
