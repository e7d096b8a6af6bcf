"""The status of each cell and network, by the workspace and by a cluster's queue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

from rich.console import Group
from rich.table import Table
from rich.text import Text

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.report.curves import Curve, MeanPoint
from nmt_ablation.report.terminal import curve
from nmt_ablation.results.gather import cell_score, warnings_of
from nmt_ablation.runner import Runner, last_lines
from nmt_ablation.slurm import queue
from nmt_ablation.slurm.submission import Element, Submissions
from nmt_ablation.stage import AnyStage
from nmt_ablation.stages.pretrained import Network
from nmt_ablation.stages.training import Train
from nmt_ablation.workspace import Workspace

LOG_LINES = 5


@dataclass(frozen=True)
class CellStatus:
    """The status of one cell, or of a network that cells start from."""

    cell: str
    """The name of the cell, or of the network's job."""
    arm: str | None
    """The cell's arm; None for a network."""
    state: str
    """done, running, queued, failed, stopped, to do, or unknown if the queue doesn't answer."""
    stage: str | None = None
    """The first stage that is not done."""
    done: float | None = None
    """The amount of the stage that is done: updates, for training."""
    whole: float | None = None
    speed: float | None = None
    """Units a second."""
    seconds_left: float | None = None
    """Seconds left of the stage at most; patience may end a training sooner."""
    pairs: int | None = None
    """Pairs of the sample, once the cell is done."""
    score: float | None = None
    """The primary score of the test set."""
    metric: str | None = None
    """The name of the primary metric."""
    shown: str | None = None
    """The score as text; for a network, the loss on held-out lines in bits for each prediction, or
    for a parent BLEU on its validation set."""
    queue: str | None = None
    """SLURM's own words for the state of the cell's element."""
    why: str | None = None
    """The reason of a failure."""
    log: tuple[str, ...] = ()
    """The last lines of the log, if nothing else states the reason."""

    def far(self) -> str:
        """Describe the progress of the stage."""
        if self.state == "done" and self.shown is not None:
            return self.shown
        text = self.stage or ""
        if self.whole:
            text += f" {self.done:,.0f} of {self.whole:,.0f}"
        if self.speed:
            text += f", {self.speed:,.1f}/s"
        if self.seconds_left is not None:
            text += f", at most {_duration(self.seconds_left)} left"
        if self.shown is not None:
            text += f"; {self.shown}"
        return text


@dataclass(frozen=True)
class Status:
    """The status of an experiment."""

    cells: list[CellStatus]
    """The networks and the cells, in order."""
    warnings: list[str]
    """The queue's silence, and what to know about text, vectors and trainings."""


def of_all(runner: Runner) -> Status:
    """Return the status of every network and every cell."""
    silent = list[str]()
    submissions = Submissions(runner)
    states: dict[str, queue.State] | None = None
    try:
        states = queue.states(submissions.jobs())
    except UserError as error:
        silent.append(f"the queue doesn't answer, so what runs there isn't known: {error}")
    elements = {name: element for element in submissions.elements() for name in element.names}

    def place(name: str) -> _Place:
        element = elements.get(name)
        if element is None:
            return None, None
        if states is None:
            return element, UNKNOWN
        return element, states.get(element.job)

    cells = runner.file.experiment.cells()
    networks = runner.pipeline.networks_of(cells)
    found = [
        *(_of_network(runner, stage, *place(name)) for name, stage in networks.items()),
        *(_of_cell(runner, cell, *place(str(cell))) for cell in cells),
    ]
    return Status(found, silent + warnings_of(runner.pipeline, runner.workspace))


UNKNOWN = queue.State("UNKNOWN", "the queue doesn't answer")
_Place: TypeAlias = tuple[Element | None, queue.State | None]
"""The element that was submitted last for a cell or a network, and its state."""


def _of_network(
    runner: Runner, stage: Network | Train, element: Element | None, queued: queue.State | None
) -> CellStatus:
    workspace, shown = runner.workspace, None
    if isinstance(stage, Network):
        losses = stage.losses(workspace)
        shown = f"{losses[-1].loss:.2f} bits on held-out lines" if losses else None
    elif workspace.done(stage):
        shown = f"BLEU {workspace.record(stage).valid_bleu:.1f} on its validation set"
    if workspace.done(stage):
        return CellStatus(stage.title, None, "done", shown=shown)
    return _unfinished(runner, (stage.title, None), [stage], element, queued, shown)


def _of_cell(
    runner: Runner, cell: Cell, element: Element | None, queued: queue.State | None
) -> CellStatus:
    workspace = runner.workspace
    left = runner.left(cell)
    if not left:
        found = cell_score(runner.pipeline, workspace, cell)
        return CellStatus(
            str(cell),
            cell.arm,
            "done",
            pairs=found.pairs,
            score=found.value,
            metric=found.measure.label,
            shown=str(found),
        )
    return _unfinished(runner, (str(cell), cell.arm), left, element, queued, None)


def _unfinished(
    runner: Runner,
    names: tuple[str, str | None],
    left: Sequence[AnyStage],
    element: Element | None,
    queued: queue.State | None,
    shown: str | None,
) -> CellStatus:
    """Return the status of a cell or a network with unbuilt stages.

    Args:
        names: the names of the cell and its arm.
        left: the unbuilt stages.
        shown: what there is to show already.
    """
    workspace = runner.workspace
    # Steps that don't wait for each other may be under way at once; the cell's own come last.
    at = next((step for step in reversed(left) if workspace.being_built(step)), None)
    known = _progress(workspace, at or left[0], at is not None) | {"shown": shown}
    if queued:
        known["queue"] = queued.state + (f" ({queued.reason})" if queued.reason else "")
    if at or (queued and queued.state == "RUNNING"):
        return CellStatus(*names, "running", **known)
    if queued and queued.alive:
        return CellStatus(*names, "queued", **known)
    if queued == UNKNOWN:
        return CellStatus(*names, "unknown", **known)
    try:
        why = runner.failure_file(names[0]).read_text(encoding="utf-8")
        return CellStatus(*names, "failed", why=why, **known)
    except FileNotFoundError:
        pass
    if element:
        why = f"job {element.job} ended before this was done: {known.get('queue', 'no record')}"
        log = tuple(last_lines(element.log, LOG_LINES))
        if not log and (before := element.preparation):
            why = f"the preparation, job {before.job}, failed (see {before.log})"
            log = tuple(last_lines(before.log, LOG_LINES))
        return CellStatus(*names, "failed", why=why, log=log, **known)
    return CellStatus(*names, "stopped" if "done" in known else "to do", **known)


def _progress(workspace: Workspace, stage: AnyStage, running: bool) -> dict[str, Any]:
    """Return the fields of a status that say how far a stage is."""
    known: dict[str, Any] = {"stage": stage.name}
    if told := workspace.progress(stage):
        known |= {"done": told.done, "whole": told.whole}
        if running:
            known["speed"] = told.speed
            if told.speed and told.whole:
                known["seconds_left"] = (told.whole - told.done) / told.speed
    return known


def waiting(cells: Sequence[CellStatus]) -> bool:
    """Return True if any cell runs or is queued, or may be."""
    return any(cell.state in ("running", "queued", "unknown") for cell in cells)


def lines(cells: Sequence[CellStatus], warnings: Sequence[str] = ()) -> Iterator[str]:
    """Yield lines for a log or a pipe."""
    for cell in cells:
        queued = f" [{cell.queue}]" if cell.queue else ""
        yield f"{cell.cell:32} {cell.state:8} {cell.far()}{queued}".rstrip()
    yield from _ending(cells, warnings)


def screen(cells: Sequence[CellStatus], warnings: Sequence[str]) -> Group:
    """Return a table and the curve so far, for a terminal."""
    scores: dict[str, dict[int, list[float]]] = {}
    for cell in cells:
        if cell.arm is not None and cell.pairs is not None and cell.score is not None:
            scores.setdefault(cell.arm, {}).setdefault(cell.pairs, []).append(cell.score)
    curves = [
        Curve(arm, [[_mean(pairs, fmean(seeds)) for pairs, seeds in of_sizes.items()]])
        for arm, of_sizes in scores.items()
    ]
    several = len({pairs for of_sizes in scores.values() for pairs in of_sizes}) > 1
    label = next((cell.metric for cell in cells if cell.metric), "")
    return Group(_table(cells, warnings), *([curve(curves, label)] if several else []))


def _mean(pairs: int, value: float) -> MeanPoint:
    return MeanPoint(pairs, value, low=value, high=value)


def _table(cells: Sequence[CellStatus], warnings: Sequence[str]) -> Table:
    found = Table(box=None, caption=Text("\n".join(_ending(cells, warnings))))
    found.caption_justify, found.caption_style = "left", ""
    for name in ("cell", "state", "how far"):
        found.add_column(name)
    with_queue = any(cell.queue for cell in cells)
    if with_queue:
        found.add_column("queue")
    colours = {"done": "green", "failed": "red", "running": "cyan"}
    for cell in cells:
        row = [cell.cell, cell.state, cell.far(), *([cell.queue or ""] if with_queue else [])]
        found.add_row(*row, style=colours.get(cell.state))
    return found


def _ending(cells: Sequence[CellStatus], warnings: Sequence[str]) -> Iterator[str]:
    """Yield the reasons of failures, one for all that share it, then warnings and a summary."""
    failed: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for cell in cells:
        if cell.why:
            failed.setdefault((cell.why, cell.log), []).append(cell.cell)
    for (why, log), names in failed.items():
        yield f"{', '.join(names)}: {why}"
        yield from (f"    {line}" for line in log)
    yield from (f"warning: {it}" for it in warnings)
    yield _summary(cells)


def _summary(cells: Sequence[CellStatus]) -> str:
    states = [cell.state for cell in cells if cell.arm is not None]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else "1 min"
