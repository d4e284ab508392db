"""Open sets of classes by name: rules, methods, rewards, readers, estimators.

A member is one decorated class in one file. Packages outside Lenity plug in through the entry-point
group named after the set (``lenity.rules``, ``lenity.methods``, ``lenity.rewards``, ``lenity.datasets``).
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from lenity.config.suggest import did_you_mean
from lenity.errors import ConfigError, LenityError

T = TypeVar("T")
LOG = logging.getLogger(__name__)
TYPE = "type"  # the key that selects a member in configurations


class Registry(Generic[T]):
    """Classes by name; modules are imported when a name is first looked up, those of plug-ins when they may register that name.

    Args:
        kind: the word for one member in messages, such as ``reward``; its plural in "s" is the command that lists them.
        group: entry-point group of outside packages, or several.
        modules: modules whose import registers the built-in members.
        former: the key that selected a member in configurations before ``type`` did; it is read with a warning for one version.
    """

    def __init__(self, kind: str, group: str | tuple[str, ...], modules: tuple[str, ...], former: str = "") -> None:
        self.kind, self._modules, self.former = kind, modules, former
        self._groups = (group,) if isinstance(group, str) else group
        self._members: dict[str, type[T]] = {}
        self._loaded = self._warned = False
        self._failures: dict[EntryPoint, str] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """A class decorator that adds the class under ``name``; a name that another class has raises ``ConfigError``."""

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
        self.load()
        promised = [point for point in self._points if point.name == name]
        for point in promised:
            if why := self._failure(point):
                raise ConfigError(f"{self._plug_in(point)} cannot be loaded: {why}.", _repair(point))
        if name not in self.members and promised:
            raise ConfigError(*self._broken_promise(promised[0]))
        if name not in self.members:
            self._load_plug_ins()  # a module may register several names
        if name not in self.members:
            hint = did_you_mean(name, self)
            known = f"Known: {', '.join(self)}."
            raise ConfigError(f"unknown {self.kind} '{name}'.", " ".join(filter(None, (hint, known, *self._told()))))
        return self.members[name]

    def __iter__(self) -> Iterator[str]:
        self.load()
        self._load_plug_ins()
        return iter(sorted(self.members))

    @property
    def members(self) -> Mapping[str, type[T]]:
        """Those that have been registered so far, by name."""
        return self._members

    def items(self) -> list[tuple[str, type[T]]]:
        """Every member that is registered, by name, those of plug-ins too."""
        return [(name, self[name]) for name in self]

    def name_of(self, member: type[T]) -> str:
        """The name a class was registered under.

        Raises:
            ConfigError: it was not.
        """
        self.load()
        if (name := next((name for name, known in self._members.items() if known is member), None)) is None:
            raise ConfigError(
                f"{self.kind} {member.__name__} of {member.__module__} is not registered, so no configuration can name it.",
                "Register its class under a name.",
            )
        return name

    def member(self, value: Any) -> Any:
        """The member that ``value``, which is no configuration, stands for."""
        return value

    def warn_of_former(self, key: str) -> None:
        """Log once that ``key`` selects a member now, in place of ``former``."""
        if not self._warned:
            LOG.warning(
                "A %s is selected by '%s' now; '%s' is read until the next version.", self.kind, key, self.former
            )
            self._warned = True

    def origin(self, module: str) -> str:
        """The plug-in, in words, whose package ``module`` belongs to; empty where it belongs to none.

        >>> Registry("colour", "no.such.group", ()).origin("torch.nn")
        ''
        """
        package = module.partition(".")[0]
        return next((self._plug_in(point) for point in self._points if _module(point).partition(".")[0] == package), "")

    @cached_property
    def _points(self) -> list[EntryPoint]:
        return [point for group in self._groups for point in entry_points(group=group)]

    def load(self) -> None:
        """Import the modules of the built-in members."""
        if self._loaded:
            return
        for module in self._modules:
            importlib.import_module(module)
        self._loaded = True  # set last: a module that fails to import must fail again at the next look-up

    def _load_plug_ins(self) -> None:
        """Load all plug-ins; one that cannot be loaded is named in a warning, once."""
        for point in self._points:
            if point not in self._failures and (why := self._failure(point)):
                LOG.warning("%s cannot be loaded and is left out: %s.", self._plug_in(point), why)

    def _failure(self, point: EntryPoint) -> str:
        """Why the plug-in cannot be loaded; empty where it can."""
        try:
            point.load()
        except Exception as error:  # a plug-in can raise anything
            why = error.what if isinstance(error, LenityError) else f"{type(error).__name__}: {error}"
            self._failures[point] = " ".join(why.split()).rstrip(".")
            return self._failures[point]
        self._failures.pop(point, None)
        return ""

    def _broken_promise(self, point: EntryPoint) -> tuple[str, str]:
        own = sorted(name for name, member in self.members.items() if member.__module__ == _module(point))
        instead = f", only {', '.join(map(repr, own))}" if own else ""
        return (
            f"{self._plug_in(point)} was loaded and registers no {self.kind} '{point.name}'{instead}.",
            f"Let '{_module(point)}' register it under the entry point's name, or name the entry point after what it registers.",
        )

    def _plug_in(self, point: EntryPoint) -> str:
        package = f" of package '{point.dist.name}'" if point.dist else ""
        return f"plug-in '{point.name}'{package} ({point.group}: {point.value})"

    def _told(self) -> list[str]:
        return [f"Not loaded: {self._plug_in(point)}: {why}." for point, why in self._failures.items()]


def _module(point: EntryPoint) -> str:
    return point.value.partition(":")[0].strip()


def _repair(point: EntryPoint) -> str:
    return f"Repair or uninstall package '{point.dist.name}'." if point.dist else "Repair or uninstall its package."
