"""Named open sets: rules, rewards, data sets.

A member is one decorated class in one file. Packages outside Lenity plug in through the entry-point
group named after the set (``lenity.rules``, ``lenity.rewards``, ``lenity.datasets``).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from lenity.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes by name; the built-in modules are imported only when a name is asked for.

    Args:
        kind: what the members are called in messages, in the singular.
        group: entry-point group of outside packages.
        modules: modules whose import registers the built-in members.
    """

    def __init__(self, kind: str, group: str, modules: tuple[str, ...]) -> None:
        self.kind, self._group, self._modules = kind, group, modules
        self._members: dict[str, type[T]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator; a name that is taken raises ``ConfigError``."""

        def add(member: type[T]) -> type[T]:
            taken = self._members.get(name)
            if taken is not None and taken is not member:
                raise ConfigError(
                    f"{self.kind} '{name}' is registered twice: {taken.__module__} and {member.__module__}.",
                    "Rename one.",
                )
            self._members[name] = member
            return member

        return add

    def __getitem__(self, name: str) -> type[T]:
        self._load()
        if name not in self._members:
            near = difflib.get_close_matches(str(name), self._members, n=1)
            hint = f"Did you mean '{near[0]}'? " if near else ""
            raise ConfigError(f"unknown {self.kind} '{name}'.", f"{hint}Known: {', '.join(sorted(self._members))}.")
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._members))

    def name_of(self, member: type[T]) -> str:
        """The name a class was registered under."""
        self._load()
        return next(name for name, known in self._members.items() if known is member)

    def _load(self) -> None:
        if self._loaded:
            return
        for module in self._modules:
            importlib.import_module(module)
        for point in entry_points(group=self._group):
            point.load()
        self._loaded = True  # only now: a module that fails to import must fail again, not vanish
