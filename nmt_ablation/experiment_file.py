"""Read an experiment file; whatever is wrong is said with its line and what is allowed there."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell, Experiment, Size, parse_size

Content = TypeVar("Content", bound=BaseModel)


class ExperimentFile(BaseModel):
    """An experiment and where each of its values stands, for messages about them."""

    model_config = ConfigDict(frozen=True)

    path: Path
    experiment: Experiment
    size_lines: list[int]

    def where(self, size: Size) -> str:
        """`file:line` of a size."""
        at = self.experiment.sizes.index(size)
        return f"{self.path}:{self.size_lines[at]}"

    def cell(self, name: str) -> Cell:
        """A cell by its name, as `status` lists it.

        Raises:
            UserError: there is none; those of the nearest names are said.
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
        """The cells of these names and of these sizes, as one writes them: 500, 5k, all; every cell
        if none is asked for.

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
        UserError: each thing that is wrong, a line each: file, line, and what is allowed.
    """
    experiment, tree = read(path, Experiment, "an experiment file")
    lines = [_locate(tree, ("sizes", at))[0] for at in range(len(experiment.sizes))]
    return ExperimentFile(path=path, experiment=experiment, size_lines=lines)


def read(path: Path, model: type[Content], kind: str) -> tuple[Content, CommentedMap]:
    """Read and validate a YAML file that should be `kind`; also give the tree it came from.

    Raises:
        UserError: each thing that is wrong, a line each: file, line, and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, and should be {kind}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: is not UTF-8") from None
    try:
        tree = YAML().load(text)
        plain = _plain(tree)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: is not YAML: {error.problem}") from None
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path}: is not YAML: {error}") from None
    if not isinstance(tree, CommentedMap):
        raise UserError(f"{path}:1: {kind} is a mapping of keys to values")
    try:
        return model.model_validate(plain), tree
    except ValidationError as invalid:
        raise UserError("\n".join(_messages(path, tree, invalid.errors()))) from None


def _plain(node: object) -> object:
    """The tree without ruamel's types, which carry comments and lines."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _messages(path: Path, tree: CommentedMap, errors: list[ErrorDetails]) -> Iterator[str]:
    seen = set()
    for error in errors:
        context = error.get("ctx", {})
        where = tuple(context.get("where", error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "unknown_key":
            where = (*where, context["key"])
        elif error["type"] == "missing":
            message = f"the key '{where[-1]}' is missing"
        elif error["type"] in ("model_type", "dict_type"):
            message = "write keys and values here; {} for none of its own"
        elif error["type"] == "string_pattern_mismatch":
            message = (
                f"{error['input']!r} is no name that is allowed here: it has to match "
                + (context["pattern"])
            )
        line, name = _locate(tree, where)
        # A union (a size is a number or `all`) complains once for each of its members.
        if (key := (line, name, error["type"] == "missing" and where)) not in seen:
            seen.add(key)
            yield f"{path}:{line}: {name}{': ' if name else ''}{message}"


def _locate(tree: CommentedMap, where: Sequence[str | int]) -> tuple[int, str]:
    """The line (from 1) and the name of the deepest part of `where` that stands in the file."""
    node: object = tree
    line, names = 1, []
    for part in where:
        if isinstance(node, CommentedMap) and part in node:
            line = node.lc.key(part)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
        else:
            continue  # not a key: which member of a union was tried
        node = node[part]
        names.append(str(part))
    return line, ".".join(names)
