"""Plain data from YAML: nothing that is run, loops, unfolds without end or cannot be written; and values as errors show them."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

import yaml

DEPTH, SIZE = 32, 100_000  # brackets inside brackets, and values once aliases are followed; no configuration comes near

LOST = frozenset("\x85\u2028\u2029")  # written as they are, read back as spaces


def from_yaml(text: str) -> Any:
    """The data that ``text`` holds.

    Raises:
        ValueError: it is no YAML, or YAML that no configuration can be.
    """
    try:
        data = yaml.safe_load(text)
    except RecursionError:
        raise ValueError(f"it nests deeper than {DEPTH} levels") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (AttributeError, LookupError) as error:
        raise ValueError("a tag, such as !!bool or !!timestamp, stands on text that is no such thing") from error
    check(data)
    return data


def check(data: Any) -> None:
    """Refuse, by ``ValueError``, data that no configuration can be, so that what comes after need not think of it."""
    ahead: list[tuple[Any, tuple[Any, ...]]] = [(data, ())]
    size = 0
    while ahead:
        value, path = ahead.pop()
        size += 1
        if len(path) > DEPTH or size > SIZE:
            raise ValueError(f"it nests deeper than {DEPTH} levels or unfolds to more than {SIZE:,} values")
        if isinstance(value, dict):
            ahead += [pair for key, part in value.items() for pair in ((key, path), (part, (*path, key)))]
        elif isinstance(value, list | tuple | set):
            ahead += [(part, (*path, place)) for place, part in enumerate(value)]
        elif problem := _unwritable(value):
            raise ValueError(f"{dotted(path) or 'a name'} is {problem}")


def _unwritable(value: Any) -> str:
    """Why the run folder's config.yaml could not say the same."""
    if isinstance(value, int) and value.bit_length() > 63:
        return f"a whole number of {value.bit_length()} bits; 63 are the most"
    if isinstance(value, str) and not LOST.isdisjoint(value):
        return f"{brief(value)}, with a line break that YAML does not keep; write \\n"
    if isinstance(value, str) and value != value.encode(errors="replace").decode():
        return f"{brief(value)}, which is no text in UTF-8"
    return ""


def dotted(path: Iterable[Any]) -> str:
    """Where something stands, with what a terminal would not show escaped.

    >>> dotted(["rewards", "a", 0])
    'rewards.a.0'
    """
    return ".".join(str(part) if str(part).isprintable() else ascii(part) for part in path)


def brief(value: Any) -> str:
    """``value``, escaped, and cut where it is long.

    >>> brief("a" * 1000)[:8], len(brief("a" * 1000))
    ("'aaaaaaa", 200)
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = 200
    short.maxdict = short.maxlist = short.maxtuple = short.maxset = 20
    return short.repr(value)
