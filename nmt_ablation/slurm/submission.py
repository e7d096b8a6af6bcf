"""Submissions: cells handed to the queue, once each, and kept on record."""

import math
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter

from nmt_ablation import cost
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.files import lock, write_atomically
from nmt_ablation.opus.fetch import is_url
from nmt_ablation.runner import Runner
from nmt_ablation.slurm import queue, scripts
from nmt_ablation.slurm.cluster import Cluster

RECORD = "submissions.json"
MEMORY = "4G"
"""Memory to ask for without a calibration."""
BESIDES_CELL = 2**30
"""Bytes beside a cell's process: for the command and for the process that cells are forked from,
whose memory SLURM may count twice."""


class Job(BaseModel):
    """A queued job, as it is kept on record."""

    model_config = ConfigDict(frozen=True)

    job: str
    """The number."""
    elements: list[list[str]] = []
    """The cells of each element, for an array."""
    log: Path | None = None
    """The folder of the elements' logs, for an array."""


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
    cells: tuple[str, ...]
    log: Path


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
            for job in one.jobs:
                for index, cells in enumerate(job.elements):
                    log = (job.log or one.folder) / str(index) / "log.txt"
                    yield Element(f"{job.job}_{index}", tuple(cells), log)

    def _read(self) -> list[Submission]:
        path = self.folder / RECORD
        return _SUBMISSIONS.validate_json(path.read_bytes()) if path.exists() else []

    def next_folder(self) -> Path:
        """Return the folder of the next submission."""
        return self.folder / f"{len(self._read()) + 1:03}"

    def to_submit(self, failed: bool) -> tuple[list[Cell], list[str]]:
        """Return the cells to submit now, and the names of those left out because they failed
        before.

        Args:
            failed: submit only those that failed.
        """
        states = queue.states(self.jobs())
        alive, before = set[str](), set[str]()
        for element in self.elements():
            state = states.get(element.job)
            (alive if state is not None and state.alive else before).update(element.cells)
        left = self.runner.unfinished(self.runner.file.experiment.cells())
        waiting = [cell for cell in left if str(cell) not in alive]
        ended = [cell for cell in waiting if str(cell) in before]
        if failed:
            return ended, []
        return [cell for cell in waiting if cell not in ended], [str(cell) for cell in ended]

    def submit(self, made: "Scripts") -> list[str]:
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
            number = record(Job(job=queue.submit(made.prepare)), "preparation")
            needs = [f"--dependency=afterok:{number}", "--kill-on-invalid-dep=yes"]
        arrays = []
        for path, elements in made.arrays:
            number = queue.submit(path, *needs)
            words = f"an array of {len(elements)}, for {sum(map(len, elements))} cells"
            job = Job(job=number, elements=elements, log=path.with_suffix(""))
            arrays.append(record(job, words))
        behind = f"--dependency=afterany:{':'.join(arrays)}"
        record(Job(job=queue.submit(made.report, behind)), "report, behind all of them")
        return said


@dataclass(frozen=True)
class Scripts:
    """The scripts of one submission, written into its folder."""

    folder: Path
    prepare: Path | None
    """The script of the preparation, or None if everything shared is built."""
    arrays: list[tuple[Path, list[list[str]]]]
    """The script of each array, and the cells of its elements."""
    report: Path

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def all(self) -> list[Path]:
        arrays = [path for path, _ in self.arrays]
        return [*([self.prepare] if self.prepare else []), *arrays, self.report]


def write_scripts(runner: Runner, cluster: Cluster, cells: Sequence[Cell], folder: Path) -> Scripts:
    """Write the scripts for some cells into the folder of a submission.

    Args:
        folder: of this submission.

    Raises:
        UserError: the cluster file asks for what can't be.
    """
    experiment, largest = runner.file.experiment, queue.largest_array()
    if cluster.container and experiment.training.processes > 1:
        raise UserError(
            f"training.processes is {experiment.training.processes}, and srun, which starts them, "
            "can't be called from within the cluster file's container: do without it, with an "
            "environment on a shared file system"
        )
    program = Path(sys.executable).with_name("nmt-ablation")
    cpus = experiment.training.threads
    modules = scripts.modules(cluster)
    path, places = runner.file.path.resolve(), _places(runner)

    def write(name: str, template: str, values: dict[str, str | list[str]]) -> Path:
        script = folder / f"{name}.sbatch"
        (folder / name).mkdir(parents=True, exist_ok=True)
        script.write_text(scripts.fill(template, values | {"MODULES": modules}), encoding="utf-8")
        return script

    def job(name: str, command: Sequence[str]) -> Path:
        lines = scripts.options(cluster, f"{experiment.name}-{name}", folder / name, cpus, MEMORY)
        run = scripts.command(cluster, program, command[0], path, *places, *command[1:])
        return write(name, name, {"OPTIONS": lines, "COMMAND": run})

    prepared = not runner.to_prepare()
    all_elements, memory = _elements(runner, cells, cluster.share * 60)
    arrays = []
    for start in range(0, len(all_elements), largest):
        name = f"cells-{start // largest + 1}" if len(all_elements) > largest else "cells"
        elements = all_elements[start : start + largest]
        for index in range(len(elements)):
            (folder / name / str(index)).mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text("".join(f"{' '.join(e)}\n" for e in elements))
        full_name, tasks = f"{experiment.name}-{name}", experiment.training.processes
        lines = scripts.options(cluster, full_name, folder / name, cpus, memory, "%a", tasks)
        limit = f"%{cluster.at_once}" if cluster.at_once else ""
        lines.append(f'#SBATCH --array="0-{len(elements) - 1}{limit}"')
        run = scripts.command(cluster, program, "run", path, *places, "--jobs", "1")
        values: dict[str, str | list[str]] = {
            "OPTIONS": lines,
            "COMMAND": run,
            "LIST": shlex.quote(str(folder / f"{name}.txt")),
            "WARNING": str(cluster.warning),
        }
        arrays.append((write(name, "cells", values), elements))
    return Scripts(
        folder=folder,
        prepare=None if prepared else job("prepare", ["run", "--prepare"]),
        arrays=arrays,
        report=job("report", ["report"]),
    )


def _places(runner: Runner) -> list[str]:
    """Return the options by which a job finds files from any folder."""
    places, workspace = runner.places, runner.workspace
    mirror = places.mirror
    if mirror is not None and not is_url(mirror):
        mirror = str(Path(mirror).resolve())
    given = {
        "workspace": str(workspace.root.resolve()),
        "cache": str(workspace.cache.resolve()) if workspace.cache else None,
        "data": str(places.data.resolve()),
        "mirror": mirror,
    }
    return [part for name, value in given.items() if value for part in (f"--{name}", value)]


def _elements(runner: Runner, cells: Sequence[Cell], seconds: float) -> tuple[list[list[str]], str]:
    """Return the cells of each element, filled up to so many seconds, and the memory to ask for."""
    experiment, calibration = runner.file.experiment, runner.pipeline.calibration()
    if not runner.workspace.done(calibration):
        return [[str(cell)] for cell in cells], MEMORY
    found = runner.workspace.record(calibration)
    number = max(1, int(seconds // cost.cell_seconds(experiment, found.seconds)))
    # Neighbours are of one size and seed, which on a GPU can train together.
    ordered = sorted(cells, key=lambda cell: (experiment.sizes.index(cell.size), cell.seed))
    names = list(map(str, ordered))
    elements = [names[start : start + number] for start in range(0, len(names), number)]
    return elements, f"{math.ceil((found.memory * 1.5 + BESIDES_CELL) / 2**20)}M"
