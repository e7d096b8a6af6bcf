"""Methods that make each stage once."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")


class Maker:
    """An object whose methods under `once` make each stage once."""

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}
        """Stages made so far, by method and arguments."""


def once(method: Callable[Arguments, Made]) -> Callable[Arguments, Made]:
    """Have a method of a `Maker` make each stage once."""

    @wraps(method)
    def remembered(*arguments: Arguments.args, **_: Arguments.kwargs) -> Made:
        maker, *rest = arguments
        assert isinstance(maker, Maker)
        key = method.__name__, *rest
        if key not in maker.made:
            maker.made[key] = method(*arguments, **_)
        made: Made = maker.made[key]
        return made

    return remembered
