"""Progress bars in a terminal, plain lines in a log."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from nmt_ablation.experiment import Cell
from nmt_ablation.opus.download import WAITS
from nmt_ablation.runner import Runner, Watcher, last_lines
from nmt_ablation.stage import Stage
from nmt_ablation.stages.cleaned import Fetch
from nmt_ablation.workspace import Workspace


def short_name(file: str) -> str:
    """Shorten a file's path for a bar: `NeuLab-TedTalks/v1 en-gl.txt.zip`."""
    corpus, version, _, name = PurePosixPath(file).parts
    return f"{corpus.removeprefix('OPUS-')}/{version} {name}"


def transfers() -> Progress:
    """Return bars for files being fetched, in bytes."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
    )


class _Amount(MofNCompleteColumn):
    """A column with the amount done and the whole: bytes of a file, or a stage's own unit."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = DownloadColumn()

    def render(self, task: Task) -> Text:
        return self.bytes.render(task) if task.fields.get("file") else super().render(task)


class Bars(Watcher):
    """A bar for each job that runs, and one for all cells, in updates of training.

    A cell that patience ends early moves the common bar by its whole budget, so the time left is
    an upper bound.
    """

    def __init__(self, runner: Runner, cells: Mapping[str, Sequence[Cell]]) -> None:
        """Create bars for jobs; `cells` are the unfinished cells whose scores each job makes."""
        self.runner, self.cells = runner, cells
        training = runner.file.experiment.training
        self.budget = {
            size: training.updates_of(size) * len(training.rates)
            for size in runner.file.experiment.sizes
        }
        """The largest number of updates of a cell, by size."""
        self.console = Console(stderr=True, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            _Amount(),
            TimeElapsedColumn(),
            TextColumn("at most"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self.console,
        )
        self.bars: dict[str, TaskID] = {}
        self.stages: dict[str, str] = {}
        self.said: set[str] = set()
        self.reached: dict[str, float] = {}
        self.updates = sum(map(self._budget, cells))
        self.all: TaskID | None = None

    def __enter__(self) -> "Bars":
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self.progress.task_ids:
            self.progress.remove_task(bar)
        self.progress.stop()

    def running(self, name: str, left: list[Stage[Any]], workspace: Workspace) -> None:
        stage = left[0].name if left else "done"
        told = workspace.progress(left[0]) if left else None
        done, whole = (told.done, told.whole) if told else (0, 0)
        fetched = left[0].file if left and isinstance(left[0], Fetch) else None
        label = f"{stage} {short_name(fetched)}" if fetched else stage
        if name not in self.bars:
            self.bars[name] = self.progress.add_task(name, total=None)
            if not self.console.is_terminal:
                self._say(f"{name}: started")
        if left and left[0].needs_network:
            self._say_attempts(name)
        if self.stages.get(name) != label:  # another stage or file, another speed
            self.stages[name] = label
            self.progress.reset(self.bars[name], description=f"{name}: {label}", file=fetched)
        self.progress.update(self.bars[name], completed=done, total=whole or None)
        if name in self.cells and stage == "train":
            self._reach(name, done)

    def _say_attempts(self, name: str) -> None:
        """Say why a download waits, which its log knows."""
        for line in last_lines(self.runner.logs / f"{name}.log", 1):
            if WAITS in line and line not in self.said:
                self.said.add(line)
                self._say(f"{name}: {line}")

    def ended(self, name: str, seconds: float, error: str | None) -> None:
        if name in self.bars:
            self.progress.remove_task(self.bars.pop(name))
        if error is not None:
            self._say(f"{name}: failed after {seconds:.0f} s: {error}")
            return
        self._say(f"{name}: done in {seconds:.0f} s{self._scores(name)}")

    def _budget(self, name: str) -> int:
        """Return the largest number of updates of a job's cells."""
        return sum(self.budget[cell.size] for cell in self.cells[name])

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)  # a log's lines stay whole

    def _scores(self, name: str) -> str:
        """Return the scores of a job's cells, in words."""
        from nmt_ablation.results.gather import outcome

        cells = self.cells.get(name, ())
        if cells:
            self._reach(name, self._budget(name) / len(cells))
        text = ""
        for cell in cells:
            text += f", {cell.arm}: " if len(cells) > 1 else ", "
            text += outcome(self.runner.pipeline, self.runner.workspace, cell)
        return text

    def _reach(self, name: str, updates: float) -> None:
        if self.all is None:
            self.all = self.progress.add_task("all cells, in updates", total=self.updates)
        updates *= len(self.cells[name])
        self.reached[name] = max(self.reached.get(name, 0), updates)
        self.progress.update(self.all, completed=sum(self.reached.values()))
