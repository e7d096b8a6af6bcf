"""Registries: classes by name, each in a file of its own, imported when first used."""

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from nmt_ablation.errors import UserError

Class = TypeVar("Class")


class Registry(Generic[Class]):
    """The classes of one sort, by name.

    To add a class, write it in a file of its own, and enter its name and place where the registry
    is created. Classes of installed packages are found by their entry points, in the registry's
    group. A module that an experiment file names is never imported.
    """

    def __init__(self, sort: str, group: str, built_in: Mapping[str, str]) -> None:
        """Create a registry.

        Args:
            sort: a noun for the classes, in the singular, for messages.
            group: the group of entry points in which installed packages name theirs.
            built_in: `module:Class` by name.
        """
        self.sort, self.group, self.built_in = sort, group, built_in

    def __getitem__(self, name: str) -> type[Class]:
        """Return a class by its name.

        Raises:
            KeyError: there is none.
            UserError: an installed package names one that can't be imported.
        """
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            found: type[Class] = getattr(import_module(module), attribute)
            return found
        point = self._installed[name]
        try:
            loaded: type[Class] = point.load()
        except (ImportError, AttributeError) as error:
            package = point.dist.name if point.dist else point.value
            raise UserError(
                f"the {self.sort} '{name}' of the package {package} can't be imported: {error}; "
                "install that package again, or remove it"
            ) from None
        return loaded

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self.built_in or name in self._installed)

    def names(self) -> list[str]:
        """List all names: first the built-in ones, then those of installed packages."""
        return [*self.built_in, *self._installed]

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        points = entry_points(group=self.group)
        return {it.name: it for it in points if it.name not in self.built_in}
