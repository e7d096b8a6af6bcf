"""An experiment and the file that it was read from."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.experiment import Cell, Experiment
from nmt_ablation.values import Size, parse_size
from nmt_ablation.yaml_file import locate, read


class ExperimentFile(BaseModel):
    """An experiment, and the lines of its sizes, for messages."""

    model_config = ConfigDict(frozen=True)

    path: Path
    experiment: Experiment
    size_lines: list[int]

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


def load(path: Path) -> ExperimentFile:
    """Read and validate an experiment file.

    Raises:
        UserError: the file has mistakes; the message has a line for each, with the allowed values.
    """
    experiment, tree = read(path, Experiment, "an experiment file")
    lines = [locate(tree, ("sizes", at))[0] for at in range(len(experiment.sizes))]
    return ExperimentFile(path=path, experiment=experiment, size_lines=lines)
