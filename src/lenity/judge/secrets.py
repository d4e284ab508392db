"""Names under which keys are given; what stands under such a name is refused unread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from lenity.errors import ConfigError

_SECRET = re.compile(r"key|secret|password|authorization|bearer|credential|token$", re.IGNORECASE)  # max_tokens is none
_HARMLESS = {"api_key_env", "prompt_cache_key"}


def names_in(value: Any) -> Iterator[str]:
    """Every name in nested data."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield str(name)
            yield from names_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from names_in(part)


def is_secret(name: str) -> bool:
    """Whether keys are given under ``name``.

    >>> is_secret("api_key"), is_secret("max_tokens")
    (True, False)
    """
    return name not in _HARMLESS and bool(_SECRET.search(name))


def refuse_names(names: Iterable[str]) -> None:
    """Refuse to go on with ``names``, dotted or not, one of which names a key; before anything repeats what it holds.

    Raises:
        ConfigError: one does.
    """
    for name in names:
        for part in name.replace("-", "_").split("."):
            if is_secret(part):
                raise ConfigError(
                    f"{name}: keys are not taken from the command line, where other users and the shell's history see them.",
                    "Put it into the environment variable OPENAI_API_KEY, or name another one with --api_key_env.",
                )
