"""What every configuration section shares: frozen, unknown keys refused, members of an open set by name."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from lenity.errors import ConfigError
from lenity.registry import Registry


class Section(BaseModel):
    """A group of configuration fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=())


S = TypeVar("S", bound=Section)


def parse_member(value: Any, registry: Registry[S], key: str) -> Any:
    """A member of ``registry`` from ``{key: name, **fields}`` or from the bare name; instances pass through."""
    if isinstance(value, str):
        value = {key: value}
    if not isinstance(value, dict):
        return value
    if key not in value:
        raise ConfigError(f"needs '{key}', one of: {', '.join(registry)}")
    return registry[value[key]].model_validate({k: v for k, v in value.items() if k != key})


def dump_member(member: S, registry: Registry[S], key: str) -> dict[str, Any]:
    """The inverse of :func:`parse_member`."""
    return {key: registry.name_of(type(member)), **member.model_dump(mode="json")}
