"""Where the judge is, and the key to it. The key is read from the environment when it is sent, and shown nowhere."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lenity.errors import ConfigError
from lenity.judge.config import JudgeConfig

_NO_KEY = "none"
_SHORTEST = 8  # characters of a key that is worth hiding; a shorter one stands in texts by chance


@dataclass(frozen=True)
class Endpoint:
    """A base URL without any secret in it, and the key, kept out of ``repr``."""

    url: str
    loopback: bool
    key: str = field(default=_NO_KEY, repr=False)

    @property
    def unencrypted(self) -> bool:
        """Whether the key would cross a network in the clear."""
        return self.key != _NO_KEY and not self.loopback and self.url.startswith("http:")

    def hide(self, text: str) -> str:
        """``text`` without the key."""
        return text if len(self.key) < _SHORTEST else text.replace(self.key, "[key]")


def find(config: JudgeConfig, *, key: bool = True) -> Endpoint:
    """The endpoint that ``config`` names; ``key=False`` where nothing will be sent.

    Raises:
        ConfigError: not a plain http(s) address, or no key for one that is not on this machine.
    """
    parts = urlsplit(config.endpoint)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ConfigError(
            "endpoint is not of the form http://host:port/v1 or https://host/v1, without user, password, '?' or '#'.",
            "A key belongs into the environment variable that --api_key_env names.",
        )
    loopback = is_loopback(parts.hostname)
    return Endpoint(config.endpoint.rstrip("/"), loopback, _key(config.api_key_env, loopback) if key else _NO_KEY)


def _key(name: str, loopback: bool) -> str:
    if not re.fullmatch("[A-Z_][A-Z0-9_]*", name):  # it may be the key itself, so it is not shown
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
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
