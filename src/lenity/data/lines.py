"""Text files read line by line, so that errors have a line number: JSON Lines, and a check for UTF-8."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lenity.errors import DataError

BLANK = (
    r"[\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"  # white space, and characters without width
)
_OUTER = re.compile(rf"\A{BLANK}+|{BLANK}+\Z")


def read_json(file: Path, columns: Sequence[str] | None) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of all columns, and the rows with the ``columns``, None where a row lacks one.

    ``datasets`` refuses a whole file because of one lone surrogate, does not report the line of an error, and crashes the process
    where pyarrow reads a ``null`` outside an object.

    Args:
        file: one JSON object per line, or one list of objects; may be ``.gz``.
        columns: columns of the rows to return; None for all.

    Raises:
        DataError: a line is not UTF-8 or not a JSON object, or the file cannot be read to its end.
    """
    names: dict[str, None] = {}
    rows = []
    lines = list(_lines(file))
    listed = bool(lines) and lines[0][1].lstrip().startswith(b"[")
    if listed:
        lines = [(1, b"".join(line for _, line in lines))]
    for number, line in lines:
        try:
            parsed = json.loads(line)
            for row in parsed if listed else [parsed]:
                if not isinstance(row, dict):
                    raise ValueError(f"{type(row).__name__} instead of an object")
                names |= dict.fromkeys(row)
                rows.append(row if columns is None else {name: row.get(name) for name in columns})
        except (ValueError, RecursionError) as error:
            kind = "UTF-8" if isinstance(error, UnicodeDecodeError) else "a JSON object"
            raise DataError(
                f"line {number} of '{file}' is not {kind}: {error}.",
                "Correct or remove that line, and save the file as UTF-8.",
            ) from error
    if columns is None:
        rows = [{name: row.get(name) for name in names} for row in rows]
    return list(names), rows


def not_utf8(file: Path) -> str | None:
    """A message on the first line that is not UTF-8 in a text file, which may be ``.gz``; None if there is none."""
    for number, line in _lines(file):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"line {number} of '{file}' is not UTF-8: {error}"
    return None


def bare(text: str) -> str:
    r"""``text`` without surrounding white space and characters without width, such as a byte-order mark.

    >>> bare("\ufeff Hi\u200b\n"), bare("\u00a0\u200b")
    ('Hi', '')
    """
    return _OUTER.sub("", text)


def is_unicode(text: str) -> bool:
    r"""Whether ``text`` is valid Unicode, as tokenizers require; it is not if it has half of a surrogate pair.

    >>> is_unicode("\U0001f600"), is_unicode("\ud83d")
    (True, False)
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The number and content of each line that is not blank."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            yield from ((number, line) for number, line in enumerate(opened, 1) if line.strip())
    except (OSError, EOFError, zlib.error) as error:  # a .gz that is cut short
        raise DataError(f"'{file}' cannot be read to its end: {error}.", "Copy or write it again.") from error
