"""The endpoint's address and its key. The key is read from an environment variable alone, and nothing prints or stores it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lenity.errors import ConfigError
from lenity.judge.config import JudgeConfig

_NO_KEY = "none"
_SHORTEST = 8  # characters of a key that is worth hiding; a shorter one occurs in texts by chance
_SECRET = re.compile(r"key|secret|password|authorization|bearer|credential|token$", re.IGNORECASE)  # not max_tokens
_HARMLESS = {"api_key_env", "prompt_cache_key"}


@dataclass(frozen=True)
class Endpoint:
    """A base URL without any secret in it, and the key, kept out of ``repr``."""

    url: str
    loopback: bool
    key: str = field(default=_NO_KEY, repr=False)

    @property
    def unencrypted(self) -> bool:
        """Whether the key would cross a network unencrypted."""
        return self.key != _NO_KEY and not self.loopback and self.url.startswith("http:")

    def hide(self, text: str) -> str:
        """``text`` with ``[key]`` in place of the key."""
        return text if len(self.key) < _SHORTEST else text.replace(self.key, "[key]")


def find(config: JudgeConfig, *, key: bool = True) -> Endpoint:
    """The endpoint that ``config`` names; ``key=False`` where no request will be sent.

    Raises:
        ConfigError: the address is no plain http(s) URL, or an endpoint on another machine has no key.
    """
    parts = urlsplit(config.endpoint)
    plain = parts.scheme in {"http", "https"} and not (parts.query or parts.fragment or "@" in parts.netloc)
    if not plain or not parts.hostname:
        raise ConfigError(
            "endpoint is not of the form http://host:port/v1 or https://host/v1, without user, password, '?' or '#'.",
            "Put the key into the environment variable that --api_key_env names.",
        )
    loopback = is_loopback(parts.hostname)
    return Endpoint(config.endpoint.rstrip("/"), loopback, _key(config.api_key_env, loopback) if key else _NO_KEY)


def _key(name: str, loopback: bool) -> str:
    if not re.fullmatch("[A-Z_][A-Z0-9_]*", name):  # it may be the key itself, so it is not printed
        raise ConfigError(
            "api_key_env is not a name in capitals such as OPENAI_API_KEY.",
            "Give it the name of the environment variable, not the key.",
        )
    key = os.environ.get(name, "").strip()
    if not key and not loopback:
        raise ConfigError(
            f"the environment variable {name} is not set, and the endpoint is not on this machine.",
            f"Put the key there (export {name}=...), or 'none' if the endpoint needs no key, or name another variable with --api_key_env.",
        )
    return key or _NO_KEY


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def names_in(value: Any) -> Iterator[str]:
    """Every name in nested dictionaries and lists."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield str(name)
            yield from names_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from names_in(part)


def is_secret(name: str) -> bool:
    """Whether a value called ``name`` is likely a key or password.

    >>> is_secret("api_key"), is_secret("max_tokens")
    (True, False)
    """
    return name not in _HARMLESS and bool(_SECRET.search(name))


def refuse_secret_names(names: Iterable[str]) -> None:
    """Raise where one of ``names``, dotted or not, names a key; called before any message could repeat its value.

    Raises:
        ConfigError: one does.
    """
    for name in names:
        if any(map(is_secret, name.replace("-", "_").split("."))):
            raise ConfigError(
                f"{name}: a key on the command line would be visible to other users and in the shell's history.",
                "Put it into the environment variable OPENAI_API_KEY, or name another one with --api_key_env.",
            )
