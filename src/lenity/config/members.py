"""The open sets that a configuration chooses from, and what a user reads about each of their members."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lenity.config.base import TYPE, Section
from lenity.config.fields import NAME, Row, fields_of, rows, section_in
from lenity.config.registry import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenSet:
    """A registry, the base class of its members, and the paths of the fields that hold a member."""

    registry: Registry[Any]
    base: type[Section]
    places: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """One class of an open set, the name that selects it, and its origin: a file of Lenity, or the plug-in that has it."""

    name: str
    section: type[Section]
    origin: str

    def example(self) -> dict[str, Any]:
        """The member in use: ``type`` and the fields that have an example, among them all that are required.

        >>> from lenity.rewards.base import REWARDS
        >>> member(REWARDS, "toy").example()
        {'type': 'toy', 'preference': 'helpful'}
        """
        fields = fields_of(self.section).items()
        return {TYPE: self.name, **{name: info.examples[0] for name, info in fields if info.examples}}

    def own_rows(self, base: type[Section]) -> list[Row]:
        """Its fields, without those that it has from the class ``base`` unchanged."""
        common = set(rows(base))
        return [row for row in rows(self.section) if row not in common]


def open_sets(model: type[BaseModel]) -> list[OpenSet]:
    """The open sets that fields of ``model`` choose from, in the order of these fields.

    >>> from lenity.runs.config import RunConfig
    >>> {one.registry.kind: one.places for one in open_sets(RunConfig)}["reward"]
    ('rewards.NAME', 'held_out_rewards.NAME')
    """
    found: dict[type[Section], list[str]] = {}
    for path, base in _places(model):
        found.setdefault(base, []).append(path)
    return [OpenSet(base.open_set, base, tuple(paths)) for base, paths in found.items() if base.open_set is not None]


def _places(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[Section]]]:
    for name, info in fields_of(model).items():
        place, section = section_in(info.annotation)
        path = f"{prefix}{name}.{place}"
        if section is not None and issubclass(section, Section) and section.open_set is not None:
            yield path.removesuffix("."), section
        elif section is not None:
            yield from _places(section, path)


def members(registry: Registry[Any]) -> list[Member]:
    """Every member that can be used, by name; a plug-in that cannot be loaded, or has no section, is named in a warning."""
    found = []
    for name, section in registry.items():
        if isinstance(section, type) and issubclass(section, Section):
            found.append(_member(registry, name, section))
        else:
            where = registry.origin(section.__module__) or section.__module__
            log.warning("%s '%s' of %s is left out: it is not a subclass of Section.", registry.kind, name, where)
    return found


def member(registry: Registry[Any], name: str) -> Member:
    """The member ``name``.

    Raises:
        ConfigError: there is none of that name, or its plug-in cannot be loaded.
    """
    return _member(registry, name, registry[name])


def _member(registry: Registry[Any], name: str, section: type[Section]) -> Member:
    package, *path = section.__module__.split(".")
    file = "/".join(path) + ".py" if package == "lenity" else section.__module__
    return Member(name, section, registry.origin(section.__module__) or file)


def at_place(place: str, value: Any) -> dict[str, Any]:
    """``value`` at the path ``place`` of a configuration.

    >>> at_place("rewards.NAME", {"type": "toy"})
    {'rewards': {'helpful': {'type': 'toy'}}}
    """
    for part in reversed(place.split(".")):
        value = {"helpful" if part == NAME else part: value}
    return dict(value)
