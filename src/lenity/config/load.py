"""YAML file + command-line overrides -> configuration, with errors that name the field, the value and the remedy."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lenity.config.base import TYPE
from lenity.config.explain import explain, problems
from lenity.config.plain import brief, check, from_yaml
from lenity.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

OVERRIDES = "Overrides are written --section.field value."


def load(model: type[M], path: str | Path, overrides: Sequence[str] = ()) -> M:
    """The configuration in the file ``path``, with ``overrides`` such as ``["--ppo.epochs", "2", "--seed=1"]`` applied."""
    return parse(model, override(read_yaml(path), overrides), source=str(path))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML or not a mapping.
    """
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113, Path.is_file raises where a name is too long
        near = ", ".join(sorted(str(p) for p in path.parent.glob("*.y*ml"))[:8]) if path.parent.is_dir() else ""
        raise ConfigError(
            f"configuration file '{path}' not found.", f"This folder has: {near}." if near else "Check the path."
        )
    try:
        data = from_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be read: {error.strerror}.", "Check its permissions.") from error
    except ValueError as error:
        raise ConfigError(f"'{path}' is not valid YAML: {error}", "Correct the file.") from error
    if not isinstance(data, dict):
        raise ConfigError(
            f"'{path}' holds {type(data).__name__}, not a mapping of fields.", "Write 'field: value' lines."
        )
    return data


def override(data: dict[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """A copy of ``data`` with ``--a.b value`` and ``--a.b=value`` applied; values are read as YAML.

    >>> override({"ppo": {"epochs": 4}}, ["--ppo.epochs", "2", "--seed=7"])
    {'ppo': {'epochs': 2}, 'seed': 7}
    """
    data = copy.deepcopy(data)
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if not argument.startswith("--"):
            raise ConfigError(f"unexpected argument {brief(argument)}.", OVERRIDES)
        key, equals, value = argument[2:].partition("=")
        if not equals:
            if not queue or queue[0].startswith("--"):
                raise ConfigError(f"{brief(argument)} has no value.", OVERRIDES)
            value = queue.pop(0)
        _assign(data, key.split("."), _scalar(value))
    return data


def parse(model: type[M], data: dict[str, Any], source: str = "the configuration") -> M:
    """The configuration that ``data`` holds.

    Raises:
        ConfigError: a field is wrong; several problems are listed with their remedies, one per line.
    """
    try:
        check(data)
        return model.model_validate(data)
    except ValidationError as error:
        found = [explain(model, data, problem) for problem in problems(data, error.errors())]
        if len(found) == 1:
            what, remedy = found[0]
            raise ConfigError(f"{source}: {what}", remedy) from error
        lines = [f"  - {what} {remedy}".rstrip() for what, remedy in found]
        raise ConfigError("\n".join([f"{source} has {len(lines)} problems:", *lines])) from error
    except ValueError as error:
        raise ConfigError(f"{source} cannot be used: {error}.", "Correct the file or the option.") from error


def listed(text: str) -> list[str]:
    """The values of an option that takes several, separated by commas.

    >>> listed("plc, linear")
    ['plc', 'linear']
    """
    return [part.strip() for part in text.split(",")]


def _scalar(text: str) -> Any:
    try:
        value = from_yaml(text)
    except ValueError:
        return text
    if isinstance(value, str):  # YAML 1.1 reads 1e-5 as text
        try:
            return float(value)
        except ValueError:
            return text
    return value


def _assign(data: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        inner = data.get(key)
        if isinstance(inner, str) and key in {"method", "estimator"}:
            inner = {TYPE: inner}
        data[key] = inner if isinstance(inner, dict) else {}
        data = data[key]
    data[path[-1]] = value
