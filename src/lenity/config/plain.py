"""Plain data from YAML, within limits of depth and size, and values as errors show them."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

import yaml

DEPTH, SIZE = (
    32,
    100_000,
)  # levels of nesting, and number of values after aliases are expanded; both far above any configuration

LOST = frozenset("\x85\u2028\u2029")  # line breaks that YAML writes as they are and reads back as spaces


def from_yaml(text: str) -> Any:
    """The data that ``text`` holds.

    Raises:
        ValueError: the text is not YAML, or holds data that :func:`check` refuses.
    """
    try:
        data = yaml.safe_load(text)
    except RecursionError:
        raise ValueError(f"it nests deeper than {DEPTH} levels") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (AttributeError, LookupError) as error:
        raise ValueError("a tag such as !!bool or !!timestamp does not fit its value") from error
    check(data)
    return data


def check(data: Any) -> None:
    """Nothing, if ``data`` can be a configuration.

    Raises:
        ValueError: it nests too deep, is too large, or holds a value that cannot be written to a file and read back.
    """
    ahead: list[tuple[Any, tuple[Any, ...]]] = [(data, ())]
    size = 0
    while ahead:
        value, path = ahead.pop()
        size += 1
        if len(path) > DEPTH or size > SIZE:
            raise ValueError(f"it nests deeper than {DEPTH} levels or expands to more than {SIZE:,} values")
        if isinstance(value, dict):
            ahead += [pair for key, part in value.items() for pair in ((key, path), (part, (*path, key)))]
        elif isinstance(value, list | tuple | set):
            ahead += [(part, (*path, place)) for place, part in enumerate(value)]
        elif problem := _unwritable(value):
            raise ValueError(f"{dotted(path) or 'a name'} is {problem}")


def _unwritable(value: Any) -> str:
    """Why a value cannot be written to config.yaml and read back; empty where it can."""
    if isinstance(value, int) and value.bit_length() > 63:
        return f"an integer of {value.bit_length()} bits; at most 63 are allowed"
    if isinstance(value, str) and not LOST.isdisjoint(value):
        return f"{brief(value)}, with a line break that YAML does not keep; write \\n"
    if isinstance(value, str) and value != value.encode(errors="replace").decode():
        return f"{brief(value)}, which is not valid UTF-8"
    return ""


def dotted(path: Iterable[Any]) -> str:
    """A path with dots, with characters that a terminal does not show escaped.

    >>> dotted(["rewards", "a", 0])
    'rewards.a.0'
    """
    return ".".join(str(part) if str(part).isprintable() else ascii(part) for part in path)


def brief(value: Any) -> str:
    """``repr(value)``, shortened where it is long.

    >>> brief("a" * 1000)[:8], len(brief("a" * 1000))
    ("'aaaaaaa", 200)
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = 200
    short.maxdict = short.maxlist = short.maxtuple = short.maxset = 20
    return short.repr(value)
