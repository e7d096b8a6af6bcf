"""Experiments from Python: what the commands do, with data frames and figures.

    from nmt_ablation import Experiment

    mine = Experiment.read("mine.yaml")
    print(mine.plan())
    mine.run()
    mine.means()
    mine.figure()

Errors that the user can mend are `nmt_ablation.errors.UserError`.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ruamel.yaml import YAML

from nmt_ablation import plan, session
from nmt_ablation.experiment.versions import load_with_versions
from nmt_ablation.files import write_atomically
from nmt_ablation.places import Places
from nmt_ablation.report import figure
from nmt_ablation.report.sentences import sentences
from nmt_ablation.report.write import write
from nmt_ablation.results import notebook
from nmt_ablation.results.gather import gather
from nmt_ablation.results.results import Results
from nmt_ablation.runner import Runner
from nmt_ablation.status import of_all
from nmt_ablation.workspace import Workspace

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure that a notebook shows where it is the value of a cell."""

    figure: "Figure"

    def save(self, *paths: str | Path) -> None:
        """Write it, in the formats of the paths' endings: png, svg, pdf."""
        figure.save(self.figure, [Path(path) for path in paths])

    def _repr_svg_(self) -> str:
        drawn = io.StringIO()
        self.figure.savefig(drawn, format="svg")
        return drawn.getvalue()


class Experiment:
    """An experiment in a workspace."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        workspace: str | Path = "checkpoints",
        data: str | Path | None = None,
        mirror: str | Path | None = None,
        cache: str | Path | None = None,
    ) -> Self:
        """Read an experiment file.

        Args:
            workspace: the folder for everything that is built.
            data: the folder of files named in the experiment; by default, the experiment's own.
            mirror: a folder or server in OPUS's layout to fetch corpora from.
            cache: another workspace to take finished work from.

        Raises:
            UserError: the file has mistakes; the message has a line for each.
        """
        path, place = Path(path), str(mirror) if mirror is not None else None
        file = load_with_versions(path, place, session.say)
        places = Places(mirror=place, data=Path(data) if data else path.parent)
        there = Workspace(Path(workspace), Path(cache) if cache else None)
        return cls(Runner(file, places, there))

    @classmethod
    def of(
        cls,
        definition: Mapping[str, Any],
        *,
        workspace: str | Path = "checkpoints",
        data: str | Path = ".",
        mirror: str | Path | None = None,
        cache: str | Path | None = None,
    ) -> Self:
        """Make an experiment of a dictionary with the keys of an experiment file.

        The file is written to WORKSPACE/NAME.yaml, where messages find its lines.

        Raises:
            UserError: the dictionary has mistakes.
        """
        text = io.StringIO()
        YAML().dump(dict(definition), text)
        name = str(definition.get("name", "experiment")).replace("/", "_")
        path = Path(workspace) / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.getvalue())
        return cls.read(path, workspace=workspace, data=data, mirror=mirror, cache=cache)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._runner.file.experiment.name

    @property
    def cells(self) -> list[str]:
        """The names of all cells."""
        return [str(cell) for cell in self._runner.file.experiment.cells()]

    def plan(self) -> str:
        """Return what is left, what it will take, and what it can find."""
        return "\n".join(plan.lines(self._runner))

    def run(
        self,
        cells: Sequence[str] = (),
        *,
        sizes: Sequence[str] = (),
        jobs: int | None = None,
        until_decided: bool = False,
    ) -> None:
        """Build everything that is not done yet; stopped at any moment, the same call goes on.

        Args:
            cells: the names of the cells to run; all by default.
            sizes: the sizes whose cells to run.
            jobs: cells at once; as many as the machine allows by default.
            until_decided: add seeds until each comparison is decided.

        Raises:
            UserError: something failed; the message says why.
        """
        session.check(self._runner)
        if until_decided:
            session.run_until_decided(self._runner, jobs)
            return
        if left := self._runner.unfinished(self._runner.file.choose(cells, sizes)):
            session.run(self._runner, left, jobs)

    def status(self) -> "pandas.DataFrame":
        """Return a row for each network and cell: its state, its progress, and why it failed."""
        return notebook.frame([asdict(cell) for cell in of_all(self._runner).cells])

    def results(self) -> Results:
        """Return the results of all finished cells.

        Raises:
            UserError: no cell is finished, or some are not comparable.
        """
        return gather(self._runner.pipeline, self._runner.workspace, "from Python")

    def scores(self) -> "pandas.DataFrame":
        """Return a row for each finished cell."""
        return notebook.cells(self.results())

    def means(self) -> "pandas.DataFrame":
        """Return a row for each size and arm: means over seeds and gains, with their intervals."""
        return notebook.means(self.results())

    def verdict(self) -> str:
        """Return the verdict, and the warnings that go with it."""
        found = self.results()
        return "\n".join([*(f"warning: {it}" for it in found.warnings), *sentences(found)])

    def figure(self) -> Picture:
        """Return the curves of scores against corpus size."""
        return Picture(figure.draw([self.results()]))

    def report(self, out: str | Path | None = None) -> Path:
        """Write the report; return its page.

        Args:
            out: the folder; by default, WORKSPACE/NAME/report.

        Raises:
            UserError: a report is there that this one must not replace.
        """
        folder = Path(out) if out else self._runner.folder / "report"
        write([self.results()], folder, self.name, "from Python")
        return folder / f"{self.name}.html"
