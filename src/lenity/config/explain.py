"""Errors of pydantic as a sentence that names the field and the value, with a remedy; and the fields of the section at a path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, get_args

from pydantic import BaseModel

from lenity.config.fields import fields_of, parts
from lenity.config.plain import brief, dotted
from lenity.config.registry import TYPE
from lenity.config.suggest import did_you_mean
from lenity.errors import ConfigError, LenityError

_KIND = re.compile(r"[\w-]+\[|(str|int|float|bool|list|dict|tuple)$|[A-Z]\w*$")


def explain(model: type[BaseModel], data: Any, problem: Any) -> tuple[str, str]:
    """What is wrong, and the remedy; the remedy is empty where a validator of several fields says both in one sentence.

    Args:
        model: the section that ``data`` was validated as.
        data: the configuration as the user wrote it.
        problem: one of :func:`problems`.
    """
    where = dotted(problem["loc"])
    option = ".".join(takewhile(lambda part: isinstance(part, str), problem["loc"]))  # a list is set as a whole
    found = problem["input"]
    if problem["type"] == "extra_forbidden":
        known = fields_at(model, data, problem["loc"][:-1])
        value = "" if model.model_config.get("hide_input_in_errors") else f" (value {brief(found)})"
        otherwise = f"Known here: {', '.join(known)}." if known else "Leave it out: this place has no fields."
        return f"{where}: unknown field{value}.", did_you_mean(problem["loc"][-1], known, otherwise)
    if problem["type"] == "missing":
        return f"{where}: missing.", f"Set it in the file or as --{option} value."
    cause = getattr(problem.get("ctx", {}).get("error"), "__cause__", None)
    if where and isinstance(cause, LenityError):  # which has a remedy of its own
        return f"{where}: {cause.what}", cause.remedy
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not where:
        return f"{message}.", ""
    if problem["loc"][-1] == "[key]":
        return f"{dotted(problem['loc'][:-2])}: {message}.", ""
    return _of_value(problem, where, option, message)


def _of_value(problem: Any, where: str, option: str, message: str) -> tuple[str, str]:
    """What is wrong with the value of a field, and the remedy."""
    found = problem["input"]
    shown = "" if isinstance(found, dict) else f"found {brief(found)}; "
    choices = re.findall(r"'([^']*)'", message) if problem["type"] == "literal_error" else []
    if problem["type"] in {"list_type", "tuple_type"}:
        return f"{where}: {shown}a list is required.", f"Write --{option} '[{found}]', several separated by commas."
    whole = "" if option == where else ", which sets the whole list"
    remedy = f"{did_you_mean(found, choices)} Set it with --{option} value{whole}."
    return f"{where}: {shown}{message[:1].lower()}{message[1:]}.", remedy.strip()


def problems(data: Any, errors: Sequence[Any]) -> list[dict[str, Any]]:
    """``ValidationError.errors()`` at paths of ``data``; for a value of a union, the errors of the member that fits best.

    >>> from pydantic import RootModel, ValidationError
    >>> try:
    ...     RootModel[dict[str, int | list[str]]].model_validate({"a": {}})
    ... except ValidationError as error:
    ...     print([(each["loc"], each["msg"]) for each in problems({"a": {}}, error.errors())])
    [(('a',), 'Input should be a valid integer, or a valid list')]
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for number, problem in enumerate(errors):
        loc, kinds = _place(data, problem["loc"])
        groups.setdefault((loc[:kinds], number if kinds is None else None), []).append(problem | {"loc": loc})
    return [problem for (at, _), group in groups.items() for problem in _nearest(len(at), group)]


def _nearest(depth: int, group: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The deepest problems inside a value at ``depth``; where none is inside it, one problem that names every member of the union."""
    deepest = max(len(problem["loc"]) for problem in group)
    if len(group) == 1 or deepest > depth:
        return [problem for problem in group if len(problem["loc"]) == deepest]
    first, *others = (problem["msg"] for problem in group)
    kinds = [first, *(message.removeprefix("Input should be ") for message in others)]
    return [group[0] | {"type": "kinds", "msg": ", or ".join(kinds)}]


def _place(data: Any, loc: Sequence[Any]) -> tuple[tuple[Any, ...], int | None]:
    """``loc`` without pydantic's names of union members, and the index at which the first of them stood."""
    kept: list[Any] = []
    first = None
    for part in loc:
        there = isinstance(data, Mapping) and part in data
        if isinstance(part, str) and part != "[key]" and not there and _KIND.match(part):
            first = len(kept) if first is None else first
            continue
        kept.append(part)
        data = _inner(data, part)
    return tuple(kept), first


def fields_at(model: type[BaseModel], data: Any, path: Sequence[Any]) -> list[str]:
    """Field names of the section at ``path``, with ``type`` first where it is a member of an open set.

    >>> from lenity.runs.config import RunConfig
    >>> fields_at(RunConfig, {"rewards": {"calm": {"type": "toy"}}}, ("rewards", "calm"))
    ['type', 'measures', 'preference']
    """
    section, key = section_at(model, data, path)
    return [*([key] if key else []), *fields_of(section)] if section else []


def section_at(annotation: Any, data: Any, path: Sequence[Any]) -> tuple[type[BaseModel] | None, str | None]:
    """The section at ``path`` of a value with this annotation, and ``type`` where it is a member of an open set; None for none."""
    for part in path:
        section, _ = _section(annotation, data)
        if section is not None:
            field = fields_of(section).get(str(part))
            annotation = field.annotation if field else None
        else:
            annotation = next((get_args(kind)[-1] for kind, _ in parts(annotation) if get_args(kind)), None)
        data = _inner(data, part)
    return _section(annotation, data)


def _section(annotation: Any, data: Any) -> tuple[type[BaseModel] | None, str | None]:
    for kind, _ in parts(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if open_set := getattr(kind, "open_set", None):
                return _member(open_set, data), TYPE
            return kind, None
    return None, None


def _member(registry: Any, data: Any) -> type[BaseModel] | None:
    if isinstance(data, BaseModel):
        return type(data)
    name = data.get(TYPE, data.get(registry.former)) if isinstance(data, Mapping) else data
    try:
        found: type[BaseModel] = registry[str(name).partition(":")[0]]
    except ConfigError:  # reported as the error of this value
        return None
    return found


def _inner(data: Any, part: Any) -> Any:
    if isinstance(data, BaseModel):
        return getattr(data, str(part), None)
    try:
        return data[part]
    except (TypeError, LookupError):
        return None
