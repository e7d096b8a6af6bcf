"""YAML files, read and validated: a message names each mistake, its line and the allowed values."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from nmt_ablation.errors import UserError
from nmt_ablation.packed import opened
from nmt_ablation.values import INVISIBLE

MOST_BYTES = 1 << 20
DEEPEST = 50
"""Levels of nesting; an experiment file needs six."""
MOST_VALUES = 100_000
"""Values, each counted as often as an alias repeats it."""

Content = TypeVar("Content", bound=BaseModel)


def read(path: Path, model: type[Content], kind: str) -> tuple[Content, CommentedMap]:
    """Read and validate a YAML file; return its content and the tree that knows its lines.

    Args:
        kind: a name for such files, in messages: "an experiment file".

    Raises:
        UserError: the file has mistakes; the message has a line for each, with the allowed values.
    """
    with opened(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"{path}: has more than {MOST_BYTES:,} bytes, and should be {kind}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: is not UTF-8") from None
    try:
        for line in _too_deep(text):
            raise UserError(f"{path}:{line}: is nested deeper than {DEEPEST} levels")
        tree = YAML().load(text)
        if len(list(islice(_values(tree), MOST_VALUES + 1))) > MOST_VALUES:
            raise UserError(f"{path}: its aliases make more than {MOST_VALUES:,} values")
        plain = _plain(tree)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: is not YAML: {error.problem}") from None
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path}: is not YAML: {error}") from None
    if not isinstance(tree, CommentedMap):
        raise UserError(f"{path}:1: {kind} is a mapping of keys to values")
    if hidden := list(_hidden(path, tree, plain)):
        raise UserError("\n".join(hidden))
    try:
        return model.model_validate(plain), tree
    except ValidationError as invalid:
        raise UserError("\n".join(_messages(path, tree, invalid.errors()))) from None


def _too_deep(text: str) -> Iterator[int]:
    """Yield the lines on which a YAML text is nested too deep to be read without running out of
    stack."""
    depth = 0
    for event in YAML().parse(text):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                yield event.start_mark.line + 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


def _values(node: object) -> Iterator[object]:
    """Yield a tree's values, each as often as an alias repeats it."""
    yield node
    inner = node.values() if isinstance(node, CommentedMap) else node
    if isinstance(inner, Iterable) and not isinstance(inner, str | bytes):
        for value in inner:
            yield from _values(value)


def _hidden(
    path: Path, tree: CommentedMap, node: object, where: tuple[str | int, ...] = ()
) -> Iterator[str]:
    """Yield a message about each text with a character that can't be seen."""
    if isinstance(node, str) and (found := INVISIBLE.search(node)):
        line, name = locate(tree, where)
        yield f"{path}:{line}: {name}: has a character that can't be seen, U+{ord(found[0]):04X}"
    inner = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in inner:
        yield from _hidden(path, tree, value, (*where, key))


def _plain(node: object) -> object:
    """Return a tree without ruamel's types, which carry comments and lines."""
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
        where = (*error["loc"], *context.get("where", ()))
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "unknown_key":
            where = (*where, context["key"])
        elif error["type"] == "missing":
            message = f"the key '{where[-1]}' is missing"
        elif error["type"] in ("model_type", "dict_type"):
            message = "write a mapping of keys to values here; {} for an empty one"
        elif error["type"] == "string_pattern_mismatch":
            message = (
                f"{error['input']!r} is not allowed as a name here; write one that matches "
                + (context["pattern"])
            )
        line, name = locate(tree, where)
        # A union (a size is a number or `all`) reports an error for each of its members.
        if (key := (line, name, error["type"] == "missing" and where)) not in seen:
            seen.add(key)
            yield f"{path}:{line}: {name}{': ' if name else ''}{message}"


def locate(tree: CommentedMap, where: Sequence[str | int]) -> tuple[int, str]:
    """Return the line (from 1) and the name of the deepest part of `where` that the file has."""
    node: object = tree
    line, names = 1, []
    for part in where:
        if isinstance(node, CommentedMap) and part in node:
            line = node.lc.key(part)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
        else:
            continue  # no key, but the member of a union that was tried
        node = node[part]
        names.append(str(part))
    return line, ".".join(names)
