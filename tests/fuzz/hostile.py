"""Text and values that break parsers, and random edits that bring them into real files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

NUMBERS = [
    "9" * 5000,
    "-" + "9" * 400,
    "0x" + "f" * 5000,
    "0b",
    "0o",
    "0_",
    "1e999",
    ".nan",
    "-.inf",
    "1:99:99",
    "1e-5",
    "²",
    "-0",
]
SYNTAX = [
    "[" * 600, "{a: " * 300, "- " * 400, "&a [*a]", "&a {b: *a}", "*a", "&a {<<: *a}", "<<: 1", "? [a]", "? {a: b}", "1: 2", "null: 1",
    "=", "%YAML 9.9", "---", "...", "|\n", "'", '"', "#", "\t", "\0", "\ufeff", "\u2028", '"\\ud800"', "\x85", "{}", "[]", "~", "''",
]  # fmt: skip
TAGS = [
    "!!python/object/apply:sys.exit [7]", "!!python/object/apply:os._exit [7]", "!!python/name:os.system", "!!python/module:os",
    "!!python/object/new:os.system [exit]", "!!timestamp x", "!!bool x", "!!int x", "!!float x", "!!binary x", "!!set {a}", "!!omap [a: 1]",
    "!!pairs [a]", "!!null x", "!!str [a]", "!x y", "2001-99-99", "2001-01-01", "2001-01-01 00:00:00 +99:99", "!!binary aGk=",
]  # fmt: skip
NAMES = ["..", "../up", "/etc/passwd", "a/b", "a\\b", ".hidden", "", " ", "a\nb", "\0", "\x1b[2J", "\ud800", "e\u0301", "\u202e", "con", "a" * 5000]  # fmt: skip

fragments = st.sampled_from([*NUMBERS, *SYNTAX, *TAGS, *NAMES]) | st.text(max_size=6)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | fragments | st.binary(max_size=4)
    | st.sampled_from([2**63, 10**400, dt.date(2001, 1, 1), dt.datetime.max, frozenset({1})])
)  # fmt: skip
values: st.SearchStrategy[Any] = scalars | st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fragments | st.integers(), inner, max_size=3), max_leaves=5
)  # fmt: skip


def _insert(text: str, at: int, fragment: str) -> str:
    return text[:at] + fragment + text[at:]


def _overwrite(text: str, at: int, fragment: str) -> str:
    return text[:at] + fragment + text[at + len(fragment) :]


def _cut(text: str, at: int, fragment: str) -> str:
    return text[:at] + text[at + 1 + len(fragment) :]


def _end(text: str, at: int, fragment: str) -> str:
    return text[:at]


def _value(text: str, at: int, fragment: str) -> str:
    """In place of what a line says after its colon."""
    colon = text.find(": ", at)
    return text if colon < 0 else text[: colon + 2] + fragment + text[text.find("\n", colon) :]


edits: st.SearchStrategy[tuple[Callable[[str, int, str], str], int, str]] = st.tuples(
    st.sampled_from([_value, _value, _insert, _overwrite, _cut, _end]), st.integers(0, 2**16), fragments
)


def edited(text: str, steps: list[tuple[Callable[[str, int, str], str], int, str]]) -> str:
    """``text`` after each of the :data:`edits`."""
    for change, at, fragment in steps:
        text = change(text, at % (len(text) + 1), fragment)
    return text


def replaced(data: Any, path: list[int], value: Any, rename: str | None = None) -> Any:
    """A copy of nested ``data`` with ``value`` where ``path`` leads, one number a level; under another key if ``rename`` is given."""
    if not (isinstance(data, dict | list) and data and path):
        return value
    keys = list(data) if isinstance(data, dict) else list(range(len(data)))
    key = keys[path[0] % len(keys)]
    inner = replaced(data[key], path[1:], value, rename)
    if isinstance(data, list):
        return [inner if i == key else item for i, item in enumerate(data)]
    named = rename if rename is not None and len(path) == 1 else key
    return {named if known == key else known: inner if known == key else item for known, item in data.items()}
