"""The fields of a configuration as help text, without importing torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lenity.config.base import fields_of

WIDTH = 44


def fields(model: type[BaseModel]) -> str:
    """One line a field, ``--section.field  default  description``; click prints it as it is."""
    return "\b\nFields, in the file or as --field value:\n" + "\n".join(
        _line(name, field) for name, field in flat(model)
    )


def flat(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Fields that hold a value, those of sections by their path: ``section.field``."""
    for name, field in fields_of(model).items():
        section = _section(field)
        if section is None:
            yield prefix + name, field
        else:
            yield from flat(section, f"{prefix}{name}.")


def _line(name: str, field: FieldInfo) -> str:
    text = f"  --{name}{_default(field)}"
    return f"{text:<{WIDTH}}  {field.description}" if field.description else text


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The section whose fields stand one level deeper; None for a value and for members of open sets."""
    inner: Any = field.annotation
    if (
        isinstance(inner, type)
        and issubclass(inner, BaseModel)
        and inner.model_fields
        and not getattr(inner, "__abstractmethods__", None)
    ):
        return inner
    return None


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return " (required)"
    value = field.get_default(call_default_factory=True)
    return "" if isinstance(value, BaseModel) else f" {value}"
