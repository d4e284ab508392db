"""The fields of sections in words, for help texts and documentation: path, type, default and description."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

NAME = "NAME"  # stands in a path for a name that the user chooses


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by name, as they stand in a configuration."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation if name == getattr(model, "flat", None) else None
        found |= fields_of(inner) if isinstance(inner, type) and issubclass(inner, BaseModel) else {name: field}
    return found


@dataclass(frozen=True)
class Row:
    """One field: its path, its type and default as YAML has them ("required" where there is no default), and its description."""

    path: str
    type: str
    default: str
    description: str


def rows(model: type[BaseModel], prefix: str = "", defaults: Any = None) -> Iterator[Row]:
    """The fields of ``model``, those of the sections in it by their path, such as ``lora.r``; a member of an open set is one field.

    Args:
        model: a section.
        prefix: what stands before each path.
        defaults: the instance of ``model`` that holds the defaults; default: those of the class.

    >>> from lenity.config.sections import RewardNoise
    >>> next(rows(RewardNoise, "reward_noise."))
    Row(path='reward_noise.fraction', type='float >= 0 and <= 1', default='required', description='fraction of each batch whose scores get noise')
    """
    for name, info in fields_of(model).items():
        default = getattr(defaults, name, info.get_default(call_default_factory=True))
        place, section = section_in(info.annotation)
        nested = section if getattr(section, "open_set", None) is None else None
        if nested is None or info.annotation is not nested:  # an optional section is a field as well
            yield Row(
                prefix + name, type_of(info.annotation, info.metadata), _default(default), _described(model, name)
            )
        if nested is not None:
            inner = default if isinstance(default, nested) else None
            yield from rows(nested, f"{prefix}{name}.{place}", inner)


def _described(model: type[BaseModel], name: str) -> str:
    """The description of the field ``name``, from the nearest class that gives one."""
    bases = [base for base in model.__mro__ if issubclass(base, BaseModel)]
    fields = [own[name] for own in map(fields_of, bases) if name in own]
    return next((field.description for field in fields if field.description), "")


def section_in(annotation: Any) -> tuple[str, type[BaseModel] | None]:
    """The section that a field of this annotation holds, or holds by name, and the path that leads to it from the field.

    >>> from lenity.config.sections import Budget
    >>> section_in(dict[str, Budget | None])
    ('NAME.', <class 'lenity.config.sections.Budget'>)
    """
    for part, _ in parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return "", part
        if get_origin(part) is dict:
            place, section = section_in(get_args(part)[1])
            return f"{NAME}.{place}", section
    return "", None


def parts(annotation: Any, metadata: Sequence[Any] = ()) -> Iterator[tuple[Any, Sequence[Any]]]:
    """The members of a union, each without what is said about it, and what is said.

    >>> [part for part, _ in parts(Annotated[int, "seconds"] | None)]
    [<class 'int'>, <class 'NoneType'>]
    """
    if get_origin(annotation) is Annotated:
        inner, *said = get_args(annotation)
        said = [each for one in said for each in (one.metadata if isinstance(one, FieldInfo) else [one])]
        yield from parts(inner, [*metadata, *said])
    elif get_origin(annotation) in {Union, types.UnionType}:
        for part in get_args(annotation):
            yield from parts(part, metadata)
    else:
        yield annotation, metadata


def type_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """The type of a field as YAML has its values.

    >>> type_of(Literal["all-linear"] | list[str] | None), type_of(dict[str, Annotated[float, Gt(0)]])
    ('all-linear | list of str | null', '{name: float > 0}')
    """
    return " | ".join(_type(part, said) for part, said in parts(annotation, metadata))


def _type(annotation: Any, metadata: Sequence[Any]) -> str:
    kind, inner = get_origin(annotation) or annotation, get_args(annotation)
    words = {types.NoneType: "null", str: "str", bool: "bool", Literal: " | ".join(map(_default, inner))}
    if kind in {int, float}:
        return " ".join([kind.__name__, " and ".join(filter(None, map(_bound, metadata)))]).strip()
    if kind in {list, tuple}:
        return f"list of {type_of(inner[0])}"
    if kind is dict:
        return f"{{name: {type_of(inner[1])}}}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        open_set = getattr(kind, "open_set", None)
        return str(open_set.kind) if open_set is not None else "section"
    return words.get(kind, "any")


def _bound(said: Any) -> str:
    signs = {Ge: ">= {0.ge}", Gt: "> {0.gt}", Le: "<= {0.le}", Lt: "< {0.lt}"}
    return signs.get(type(said), "").format(said)


def _default(value: Any) -> str:
    """A value as YAML has it."""
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"[\w./:-]+", value):
        return value
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, ensure_ascii=False, default=str)


def purpose(section: type) -> str:
    """The first sentence of a section's docstring.

    >>> from lenity.config.sections import VLLM
    >>> purpose(VLLM)
    "The engine vLLM (`rollout.engine: vllm`), through TRL's `VLLMGeneration`."
    """
    paragraph = " ".join(explained(section).split("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph, maxsplit=1)[0]


def explained(section: type) -> str:
    """A section's docstring as Markdown, without its examples."""
    text = inspect.cleandoc(section.__doc__ or "").split("\n\n>>>")[0].strip()
    text = re.sub(r":\w+:`~?(?:lenity\.(?:\w+\.)*)?([^`]+)`", r"`\1`", text)  # roles of reStructuredText
    return text.replace("``", "`")
