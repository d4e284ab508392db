"""``--method.field value`` in a sweep of several methods: for those of them that have the field."""

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
    """Overrides of the run, and those of a method's field with its path."""
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
    """``methods``, those that have ``field`` as ``words`` set it; ``say`` is told which have not.

    Raises:
        ConfigError: none has the field, or several settings of one method differ in it.
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
                f"--method.{field} could be of each of {names_of(same)}, which differ in it.",
                "Set it in the file, or name one of them in --methods.",
            )
    others = [method for method, has in zip(methods, having, strict=True) if not has]
    if notify and others:
        notify(f"--method.{field} is for {names_of(chosen)}; not for {names_of(others)}, without such a field.")
    return [
        parse(_OneMethod, override({"method": dump_member(method, METHODS)}, words), source).method if has else method
        for method, has in zip(methods, having, strict=True)
    ]


def names_of(methods: Sequence[Method]) -> str:
    """As they are shown, for a sentence."""
    return ", ".join(member_name(method, METHODS) for method in methods)


def _remedy(methods: Sequence[Method], path: Sequence[str]) -> str:
    """The field that was probably meant, and those that there are beside it."""
    known = {member_name(method, METHODS): fields_at(type(method), method, path[:-1]) for method in methods}
    known = {name: [field for field in fields if field != TYPE] for name, fields in known.items() if fields}
    told = "; ".join(f"{name} has {', '.join(fields)}" for name, fields in known.items())
    hint = did_you_mean(path[-1], [field for fields in known.values() for field in fields])
    return f"{hint} {told}.".strip() if told else "See `lenity methods NAME`."


def _has(method: Method, path: Sequence[str]) -> bool:
    for depth, name in enumerate(path):
        section, _ = section_at(type(method), method, path[:depth])
        if section is None:  # within a mapping, whose names are free
            return True
        if name not in fields_of(section):
            return False
    return True


def _value(method: Method, path: Sequence[str]) -> Any:
    value: Any = method.model_dump(mode="json")
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
