"""``--method.field value`` in a sweep of several methods: it applies to the methods that have the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lenity.config.base import TYPE, Section, dump_member, member_name
from lenity.config.explain import fields_at, section_at
from lenity.config.fields import fields_of
from lenity.config.load import override, parse
from lenity.config.plain import brief
from lenity.config.suggest import did_you_mean
from lenity.errors import ConfigError
from lenity.runs.config import Method
from lenity.runs.method import METHODS


class _OneMethod(Section):
    method: Method


def split(overrides: Sequence[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The overrides of the run, and those of fields of methods, each with the path of its field."""
    own: list[str] = []
    fields: list[tuple[str, list[str]]] = []
    queue = list(overrides)
    while queue:
        word = queue.pop(0)
        words = [word] if "=" in word or not queue else [word, queue.pop(0)]
        name = word.partition("=")[0].removeprefix("--")
        if name.startswith("method.") and name not in {"method.type", "method.name"}:
            fields.append((name.removeprefix("method."), words))
        else:
            own += words
    return own, fields


def with_field(
    methods: Sequence[Method], field: str, words: Sequence[str], source: str, notify: Callable[[str], None] | None
) -> list[Method]:
    """``methods``, with ``field`` set by the override ``words`` in those that have it; ``notify`` gets a message naming the others.

    Raises:
        ConfigError: no method has the field, or the sweep has one method with different values of it.
    """
    path = field.split(".")
    having = [_has(method, path) for method in methods]
    chosen = [method for method, has in zip(methods, having, strict=True) if has]
    if not chosen:
        raise ConfigError(
            f"--method.{field} is a field of none of the sweep's methods, {names_of(methods)}.", _remedy(methods, path)
        )
    for kind in {type(method) for method in chosen}:
        same = [method for method in chosen if type(method) is kind]
        if len({brief(_value(method, path)) for method in same}) > 1:
            raise ConfigError(
                f"--method.{field} would overwrite the different values that {names_of(same)} have of it.",
                "Set the field in the file, or name one of these methods in --methods.",
            )
    others = [method for method, has in zip(methods, having, strict=True) if not has]
    if notify and others:
        notify(f"--method.{field} applies to {names_of(chosen)}, and not to {names_of(others)}, without such a field.")
    return [
        parse(_OneMethod, override({"method": dump_member(method, METHODS)}, words), source).method if has else method
        for method, has in zip(methods, having, strict=True)
    ]


def names_of(methods: Sequence[Method]) -> str:
    """The names of ``methods``, separated by commas."""
    return ", ".join(member_name(method, METHODS) for method in methods)


def _remedy(methods: Sequence[Method], path: Sequence[str]) -> str:
    """The remedy of an unknown field: the field that was probably meant, and the fields that each method has at that place."""
    known = {member_name(method, METHODS): fields_at(type(method), method, path[:-1]) for method in methods}
    known = {name: [field for field in fields if field != TYPE] for name, fields in known.items() if fields}
    listing = "; ".join(f"{name} has {', '.join(fields)}" for name, fields in known.items())
    hint = did_you_mean(path[-1], [field for fields in known.values() for field in fields])
    return f"{hint} {listing}.".strip() if listing else "See `lenity methods NAME`."


def _has(method: Method, path: Sequence[str]) -> bool:
    for depth, name in enumerate(path):
        section, _ = section_at(type(method), method, path[:depth])
        if section is None:  # within a mapping, which takes any key
            return True
        if name not in fields_of(section):
            return False
    return True


def _value(method: Method, path: Sequence[str]) -> Any:
    value: Any = method.model_dump(mode="json")
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
