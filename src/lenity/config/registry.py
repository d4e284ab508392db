"""Named open sets: rules, rewards, data sets.

A member is one decorated class in one file. Packages outside Lenity plug in through the entry-point
group named after the set (``lenity.rules``, ``lenity.rewards``, ``lenity.datasets``).
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from lenity.config.suggest import did_you_mean
from lenity.errors import ConfigError, LenityError

T = TypeVar("T")
LOG = logging.getLogger(__name__)
TYPE = "type"  # the key that selects a member in configurations


class Registry(Generic[T]):
    """Classes by name; modules are imported only when a name is asked for, a plug-in's only when it may have that name.

    Args:
        kind: what the members are called in messages, in the singular.
        group: entry-point group of outside packages.
        modules: modules whose import registers the built-in members.
        former: the key that selected a member in configurations before ``type`` did; it is read with a warning for one version.
    """

    def __init__(self, kind: str, group: str, modules: tuple[str, ...], former: str = "") -> None:
        self.kind, self._group, self._modules, self.former = kind, group, modules, former
        self._members: dict[str, type[T]] = {}
        self._loaded = self._warned = False
        self._failures: dict[EntryPoint, str] = {}

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
        promised = [point for point in self._points if point.name == name]
        for point in promised:
            if why := self._failure(point):
                raise ConfigError(f"{self._plug_in(point)} cannot be loaded: {why}.", _repair(point))
        if name not in self._members and promised:
            raise ConfigError(*self._broken_promise(promised[0]))
        if name not in self._members:
            self._load_plug_ins()  # a module may register several names
        if name not in self._members:
            hint = did_you_mean(name, self)
            known = f"Known: {', '.join(self)}."
            raise ConfigError(f"unknown {self.kind} '{name}'.", " ".join(filter(None, (hint, known, *self._told()))))
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        self._load_plug_ins()
        return iter(sorted(self._members))

    def name_of(self, member: type[T]) -> str:
        """The name a class was registered under."""
        self._load()
        return next(name for name, known in self._members.items() if known is member)

    def warn_of_former(self, key: str) -> None:
        """Say once that ``key`` selects a member now."""
        if not self._warned:
            LOG.warning(
                "A %s is selected by '%s' now; '%s' is read until the next version.", self.kind, key, self.former
            )
            self._warned = True

    def origin(self, module: str) -> str:
        """Which plug-in's code ``module`` is, in words; empty where it is no plug-in's.

        >>> Registry("colour", "no.such.group", ()).origin("torch.nn")
        ''
        """
        package = module.partition(".")[0]
        return next((self._plug_in(point) for point in self._points if _module(point).partition(".")[0] == package), "")

    @cached_property
    def _points(self) -> list[EntryPoint]:
        return list(entry_points(group=self._group))

    def _load(self) -> None:
        if self._loaded:
            return
        for module in self._modules:
            importlib.import_module(module)
        self._loaded = True  # only now: a module that fails to import must fail again, not vanish

    def _load_plug_ins(self) -> None:
        """All of them; those that cannot be loaded are told of once, and no reason to stop."""
        for point in self._points:
            if point not in self._failures and (why := self._failure(point)):
                LOG.warning("%s cannot be loaded and is left out: %s.", self._plug_in(point), why)

    def _failure(self, point: EntryPoint) -> str:
        """Why the plug-in cannot be loaded; empty where it can."""
        try:
            point.load()
        except Exception as error:  # a plug-in is anyone's code
            why = error.what if isinstance(error, LenityError) else f"{type(error).__name__}: {error}"
            self._failures[point] = " ".join(why.split()).rstrip(".")
            return self._failures[point]
        self._failures.pop(point, None)
        return ""

    def _broken_promise(self, point: EntryPoint) -> tuple[str, str]:
        own = sorted(name for name, member in self._members.items() if member.__module__ == _module(point))
        instead = f", only {', '.join(map(repr, own))}" if own else ""
        return (
            f"{self._plug_in(point)} was loaded and registers no {self.kind} '{point.name}'{instead}.",
            f"Let '{_module(point)}' register it under the entry point's name, or name the entry point after what it registers.",
        )

    def _plug_in(self, point: EntryPoint) -> str:
        package = f" of package '{point.dist.name}'" if point.dist else ""
        return f"plug-in '{point.name}'{package} ({self._group}: {point.value})"

    def _told(self) -> list[str]:
        return [f"Not loaded: {self._plug_in(point)}: {why}." for point, why in self._failures.items()]


def _module(point: EntryPoint) -> str:
    return point.value.partition(":")[0].strip()


def _repair(point: EntryPoint) -> str:
    return f"Repair or uninstall package '{point.dist.name}'." if point.dist else "Repair or uninstall its package."
