"""Settings that can be published: without local paths and without keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lenity.judge.endpoint import is_secret

TEXTS = {"stop"}  # fields whose strings are text, even where they look like paths


def public(data: Any) -> Any:
    """A copy of plain ``data`` with each local path cut to its last part, and without the strings of fields named like keys.

    >>> public({"model": "/home/me/models/small", "api_key": "abc", "dataset": "Anthropic/hh-rlhf", "seed": 0})
    {'model': 'local:small', 'dataset': 'Anthropic/hh-rlhf', 'seed': 0}
    """
    if isinstance(data, dict):
        kept = {name: value for name, value in data.items() if not (isinstance(value, str) and is_secret(str(name)))}
        return {name: value if name in TEXTS else public(value) for name, value in kept.items()}
    if isinstance(data, list | tuple):
        return [public(part) for part in data]
    return f"local:{Path(data).name}" if isinstance(data, str) and is_local(data) else data


def is_local(text: str) -> bool:
    """Whether ``text`` is a local path, and not the name of a model or data set of the hub.

    >>> is_local("../shared/data"), is_local("rewards/mine.py:score"), is_local("meta-llama/Llama-3.1-8B"), is_local("plc")
    (True, True, False, False)
    """
    place = text.partition(":")[0]
    if any(letter.isspace() for letter in text) and not text.startswith(("/", "~")):
        return False
    looks = text.startswith(("/", "~", ".")) or place.count("/") > 1 or "\\" in text or place.endswith(".py")
    return looks or ("/" in place and Path(place).exists())
