"""Names from configurations that become parts of paths; they cannot lead out of their folder."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

LONGEST = 64  # characters; folder names of a sweep hold several names


def _name(text: str) -> str:
    printable = text.isprintable() and text == text.strip()
    if not (printable and 0 < len(text) <= LONGEST) or text.startswith(".") or set(text) & set("/\\"):
        raise ValueError(
            f"{text!r} cannot be a part of a path; use 1 to {LONGEST} printable characters without '/' or '\\', "
            "and no dot at the beginning"
        )
    return text


def _inside(text: str) -> str:
    for part in text.split("/"):
        _name(part)
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[\w.+-]+", text):
        raise ValueError(f"{text!r} is not a label; use letters, digits, '_', '.', '+' and '-' alone")
    return text


Name = Annotated[str, AfterValidator(_name)]
Word = Annotated[Name, AfterValidator(_word)]  # a name without blanks or commas, for lists in tables and options
Inside = Annotated[str, AfterValidator(_inside)]  # a relative path that stays below its folder
