"""An experiment and the file that it was read from, with the files that it names."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.experiment import Cell, Experiment
from nmt_ablation.model.parts import WITH_ROWS
from nmt_ablation.pretrained.parent import Parent
from nmt_ablation.values import Name, Size, parse_size
from nmt_ablation.yaml_file import locate, read


class ExperimentFile(BaseModel):
    """An experiment, and the lines of its sizes, for messages."""

    model_config = ConfigDict(frozen=True)

    path: Path
    experiment: Experiment
    size_lines: list[int]
    parents: Mapping[Name, "ExperimentFile"] = {}
    """The experiments of parents, by the names of the parents."""

    def where(self, size: Size) -> str:
        """Return the place of a size, as `file:line`."""
        at = self.experiment.sizes.index(size)
        return f"{self.path}:{self.size_lines[at]}"

    def cell(self, name: str) -> Cell:
        """Return a cell by its name, as `status` lists it.

        Raises:
            UserError: there is no such cell; the message names the nearest ones.
        """
        cells = {str(cell): cell for cell in self.experiment.cells()}
        if name not in cells:
            nearest = get_close_matches(name, cells, n=5, cutoff=0)
            raise UserError(
                f"{self.path}: has no cell '{name}'; nearest: {', '.join(nearest)} "
                "(nmt-ablation status lists all)"
            )
        return cells[name]

    def choose(self, names: Sequence[str], sizes: Sequence[str]) -> list[Cell]:
        """Return the cells of some names and sizes (500, 5k, all); every cell if none are given.

        Raises:
            UserError: there is no such cell or size.
        """
        chosen = {self.cell(name) for name in names}
        cells, of_sizes = self.experiment.cells(), self.experiment.sizes
        for text in sizes:
            try:
                size = parse_size(text)
            except PydanticCustomError as error:
                raise UserError(f"--size: {error.message()}") from None
            if size not in of_sizes:
                raise UserError(
                    f"{self.path}: has no size '{text}'; allowed: {', '.join(map(str, of_sizes))}"
                )
            chosen |= {cell for cell in cells if cell.size == size}
        return [cell for cell in cells if cell in chosen] or cells


def load(path: Path, children: tuple[Path, ...] = ()) -> ExperimentFile:
    """Read and validate an experiment file, and those of parents.

    Args:
        children: the files that led here, each naming the next as a parent's.

    Raises:
        UserError: the file has mistakes; the message has a line for each, with the allowed values.
    """
    experiment, tree = read(path, Experiment, "an experiment file")
    lines = [locate(tree, ("sizes", at))[0] for at in range(len(experiment.sizes))]
    children = (*children, path.resolve())
    parents = {}
    for name, thing in experiment.pretrained.items():
        if not isinstance(thing, Parent):
            continue
        line, where = locate(tree, ("pretrained", name, "experiment"))
        there = path.parent / thing.experiment
        if there.resolve() in children:
            raise UserError(
                f"{path}:{line}: {where}: {there} itself starts from this experiment; name another"
            )
        parents[name] = load(there, children)
        for key, why in _misfits(experiment, name, thing, parents[name]):
            line, where = locate(tree, ("pretrained", name, key))
            raise UserError(f"{path}:{line}: {where}: {why}")
    return ExperimentFile(path=path, experiment=experiment, size_lines=lines, parents=parents)


def _misfits(
    child: Experiment, name: str, thing: Parent, file: ExperimentFile
) -> Iterator[tuple[str, str]]:
    """Yield the reasons why no model of an experiment can start from a parent, with their keys."""
    parent = file.experiment
    shapes = [it.model.model_dump(exclude={"dropout", "tying"}) for it in (child, parent)]
    for key, own in shapes[0].items():
        if own != shapes[1][key]:
            yield (
                "experiment",
                f"model.{key} is {own} here and {shapes[1][key]} in {file.path}; a parent has the "
                "same architecture, so set it alike",
            )
    cells = {str(cell): cell for cell in parent.cells()}
    if thing.cell not in cells:
        nearest = ", ".join(get_close_matches(thing.cell, cells, n=3, cutoff=0))
        yield "cell", f"{file.path} has no cell '{thing.cell}'; nearest: {nearest}"
        return
    tied = parent.tying(parent.arms[cells[thing.cell].arm]) == "all"
    for arm, it in child.arms.items():
        own_rows = {part for part, of in it.starts.items() if of == name} & WITH_ROWS
        if own_rows and child.tying(it) == "all" and not tied:
            yield (
                "experiment",
                f"the arm {arm} has one embedding matrix (tying: all), and {thing.cell} of "
                f"{file.path} has several; set model.tying to all there, or another tying here",
            )
