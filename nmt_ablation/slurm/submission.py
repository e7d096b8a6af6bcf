"""Submissions: networks and cells handed to the queue, once each, and kept on record."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter

from nmt_ablation.experiment import Cell
from nmt_ablation.files import lock, write_atomically
from nmt_ablation.runner import Runner
from nmt_ablation.slurm import queue
from nmt_ablation.slurm.layout import Scripts, ToSubmit

RECORD = "submissions.json"


class Job(BaseModel):
    """A queued job, as it is kept on record."""

    model_config = ConfigDict(frozen=True)

    job: str
    """The number."""
    elements: list[list[str]] = []
    """The names of the cells or networks of each element, for an array."""
    log: Path | None = None
    """The folder of its log, or of its elements' logs; None for a report."""


class Submission(BaseModel):
    """The jobs that were queued together, as they are kept on record."""

    folder: Path
    jobs: list[Job]


_SUBMISSIONS = TypeAdapter(list[Submission])


@dataclass(frozen=True)
class Element:
    """An array element, or a job without an array."""

    job: str
    """The number as squeue spells it: `7_3`."""
    names: tuple[str, ...]
    """The names of its cells or networks; none for a preparation."""
    log: Path
    preparation: "Element | None" = None
    """The preparation that it waits for, if it was submitted behind one."""


class Submissions:
    """All submissions of an experiment, in WORKSPACE/NAME/slurm."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.folder = runner.folder.resolve() / "slurm"

    def lock(self) -> FileLock:
        """Return a lock against submitting the same cells twice at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return lock(self.folder / "lock")

    def jobs(self) -> list[str]:
        """List the numbers of all jobs, arrays among them."""
        return [job.job for one in self._read() for job in one.jobs]

    def elements(self) -> Iterator[Element]:
        """Yield all elements ever submitted, the latest last."""
        for one in self._read():
            preparation = None
            for job in one.jobs:
                if not job.elements and job.log is not None:
                    preparation = Element(job.job, (), job.log / "log.txt")
                for index, names in enumerate(job.elements):
                    log = (job.log or one.folder) / str(index) / "log.txt"
                    yield Element(f"{job.job}_{index}", tuple(names), log, preparation)

    def _read(self) -> list[Submission]:
        path = self.folder / RECORD
        return _SUBMISSIONS.validate_json(path.read_bytes()) if path.exists() else []

    def next_folder(self) -> Path:
        """Return the folder of the next submission."""
        return self.folder / f"{len(self._read()) + 1:03}"

    def to_submit(self, failed: bool, among: Sequence[Cell]) -> ToSubmit:
        """Return what to submit now.

        A network that only one cell starts from is no element: the cell's own trains it.

        Args:
            failed: submit only cells that failed, or whose networks did.
            among: the cells that may be submitted.
        """
        runner, pipeline = self.runner, self.runner.pipeline
        states = queue.states(self.jobs())
        alive, before = dict[str, str](), set[str]()
        for element in self.elements():
            state = states.get(element.job)
            if state is not None and state.alive:
                alive |= dict.fromkeys(element.names, element.job)
            else:
                before.update(element.names)
        left = runner.unfinished(among)
        needs = {
            cell: [
                name
                for name, stage in pipeline.networks_of([cell]).items()
                if not runner.workspace.done(stage)
            ]
            for cell in left
        }
        shared = Counter(name for names in needs.values() for name in names)
        waiting = [cell for cell in left if str(cell) not in alive]
        ended = [
            cell
            for cell in waiting
            if any(name in before and name not in alive for name in (str(cell), *needs[cell]))
        ]
        cells = ended if failed else [cell for cell in waiting if cell not in ended]
        return ToSubmit(
            {
                cell: [name for name in needs[cell] if shared[name] > 1 or name in alive]
                for cell in cells
            },
            alive,
            [] if failed else [str(cell) for cell in ended],
        )

    def submit(self, made: Scripts) -> list[str]:
        """Queue scripts, each behind those it needs, and return a line about each.

        No job waits for ever: a failed preparation cancels the arrays, and the report runs in any
        case.

        Raises:
            UserError: SLURM refuses one of them; none of them is queued then.
        """
        for script in made.all():
            queue.submit(script, test=True)
        before, jobs, said = self._read(), list[Job](), list[str]()

        def record(job: Job, words: str) -> str:
            jobs.append(job)
            submissions = [*before, Submission(folder=made.folder, jobs=jobs)]
            text = _SUBMISSIONS.dump_json(submissions, indent=1, exclude_defaults=True)
            write_atomically(self.folder / RECORD, text)
            said.append(f"{job.job}: {words}")
            return job.job

        needs = []
        if made.prepare:
            log = made.prepare.with_suffix("")
            number = record(Job(job=queue.submit(made.prepare), log=log), "preparation")
            needs = [f"afterok:{number}"]
        arrays = []
        known = dict(made.queued)
        for array in made.arrays:
            succeeded = [*needs, *(f"afterok:{known[name]}" for name in array.networks)]
            options = [f"--dependency={','.join(succeeded)}", "--kill-on-invalid-dep=yes"]
            number = queue.submit(array.script, *(options if succeeded else []))
            names = [name for element in array.elements for name in element]
            words = f"an array of {len(array.elements)}, for {len(names)} {array.sort}"
            job = Job(job=number, elements=array.elements, log=array.script.with_suffix(""))
            arrays.append(record(job, words))
            for index, element in enumerate(array.elements):
                known |= dict.fromkeys(element, f"{number}_{index}")
        behind = f"--dependency=afterany:{':'.join(arrays)}"
        record(Job(job=queue.submit(made.report, behind)), "report, after all arrays")
        if made.look:
            record(Job(job=queue.submit(made.look, behind)), "the next look, after all arrays")
        return said
