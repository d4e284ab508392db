"""The base class of configuration sections, and members of open sets as YAML selects them by ``type``."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lenity.config.explain import explain, problems
from lenity.config.fields import fields_of
from lenity.config.registry import TYPE as TYPE  # noqa: PLC0414 - read from here
from lenity.config.registry import Registry
from lenity.errors import ConfigError, LenityError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # which has no public name

log = logging.getLogger(__name__)
OPTION = re.compile(r"(?:the file or as )?--([\w.]+) value")  # of the command line, in the remedy of a field


class _ErrorsOfOurs(ModelMetaclass):
    """Has a section that is made in Python raise ``ConfigError`` where pydantic raises ``ValidationError``."""

    def __call__(cls, *arguments: Any, **fields: Any) -> Any:  # noqa: N805 - of a metaclass
        if arguments:
            raise ConfigError(
                f"{cls.__name__} is given {arguments[0]!r} without the name of a field.",
                f"Name it: {cls.__name__}({next(iter(cls.model_fields), 'field')}=...).",  # type: ignore[attr-defined]
            )
        try:
            return super().__call__(**fields)
        except ValidationError as error:
            section: Any = cls
            name = next((name for name in section.open_set or () if section.open_set[name] is section), None)
            named = {TYPE: name} if name else {}  # so that its fields are known
            found = [explain(section, named | fields, problem) for problem in problems(fields, error.errors())]
            told = [(f"{cls.__name__}: {what}", OPTION.sub(r"\1=...", remedy)) for what, remedy in found]
            if len(told) == 1:
                raise ConfigError(*told[0]) from error
            raise ConfigError("\n".join(f"{what} {remedy}".rstrip() for what, remedy in told)) from error


class Section(BaseModel, metaclass=_ErrorsOfOurs):
    """A group of configuration fields: instances cannot be changed, and unknown fields are refused.

    Attributes:
        open_set: the registry whose members derive from this class; in configurations ``type`` selects one.
        shorthand: the field that ``name:value`` sets.
        places: fields that hold a file, a folder or a hub name; they are compared by contents, not by path.
        flat: a field that is a section whose own fields stand in its place, beside the others.
        former: the present name of each field that was renamed; the former name is read, with a warning, for one version.
    """

    open_set: ClassVar[Registry[Any] | None] = None
    shorthand: ClassVar[str | None] = None
    places: ClassVar[tuple[str, ...]] = ()
    flat: ClassVar[str | None] = None
    former: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, data: Any) -> Any:
        """``data`` with the present names of renamed fields."""
        if not isinstance(data, dict) or cls.former.keys().isdisjoint(data):
            return data
        for old in cls.former.keys() & data.keys():
            log.warning(
                "The field '%s' is called '%s' now; '%s' is read until the next version.", old, cls.former[old], old
            )
        return {cls.former.get(name, name): value for name, value in data.items()}


S = TypeVar("S", bound=Section)


def parse_member(value: Any, registry: Registry[S]) -> Any:
    """A member of ``registry`` from ``{type: name, **fields}`` or from its name alone; an instance is returned as it is."""
    if isinstance(value, str):
        value = {TYPE: value}
    if not isinstance(value, dict):
        return registry.member(value)
    value = with_type(value, registry)
    if TYPE not in value:
        raise ConfigError(f"'{TYPE}' is missing.", f"Set it to one of: {', '.join(registry)}.")
    name, colon, rest = str(value[TYPE]).partition(":")
    member, fields = registry[name], {k: v for k, v in value.items() if k != TYPE}
    shorthand = getattr(member, "shorthand", None)
    if colon and shorthand is None:
        raise ConfigError(
            f"{registry.kind} '{name}' takes no value after a colon; found '{rest}'.", f"Write '{name}' alone."
        )
    if colon:
        fields |= {str(shorthand): int(rest) if rest.isdecimal() else rest}
    try:
        return member.model_validate(fields)
    except (ValidationError, LenityError):
        raise
    except Exception as error:  # the class may be anyone's
        where = registry.origin(member.__module__) or member.__module__
        raise ConfigError(
            f"{registry.kind} '{name}' of {where} cannot be made: {type(error).__name__}: {error}.",
            "Repair it in that package.",
        ) from error


def with_type(value: Mapping[str, Any], registry: Registry[Any]) -> dict[str, Any]:
    """``value`` with ``type`` in place of the key that selected a member formerly; of both keys, the later one counts.

    Where the member that ``type`` selects has a field of that name, the key is this field.
    """
    if registry.former not in value or registry.former in _fields_of_selected(value, registry):
        return dict(value)
    registry.warn_of_former(TYPE)
    renamed: dict[str, Any] = {}
    for key, inner in value.items():
        renamed[TYPE if key == registry.former else key] = inner
    return renamed


def _fields_of_selected(value: Mapping[str, Any], registry: Registry[Any]) -> Collection[str]:
    try:
        return fields_of(registry[str(value[TYPE]).partition(":")[0]])
    except (KeyError, LenityError):  # reported where the member is made
        return ()


def member_name(member: S, registry: Registry[S]) -> str:
    """The name under which ``member`` is shown: its label, or ``name:value`` where its class has a shorthand."""
    if label := getattr(member, "label", None):
        return str(label)
    name = registry.name_of(type(member))
    if not member.shorthand:
        return name
    owner = member if member.shorthand in type(member).model_fields else getattr(member, str(member.flat))
    return f"{name}:{getattr(owner, member.shorthand)}"


def dump_member(member: S, registry: Registry[S]) -> dict[str, Any]:
    """The mapping that :func:`parse_member` reads back to ``member``."""
    return {TYPE: registry.name_of(type(member)), **member.model_dump(mode="json")}
