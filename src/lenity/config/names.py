"""Names from configurations that become parts of paths: they stay inside the folder that they are meant for."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

LONGEST = 64  # characters; the folders of a sweep are named by several


def _name(text: str) -> str:
    printable = text.isprintable() and text == text.strip()
    if not (printable and 0 < len(text) <= LONGEST) or text.startswith(".") or set(text) & set("/\\"):
        raise ValueError(
            f"{text!r} is no name, for it becomes a part of paths; use 1 to {LONGEST} printable characters without '/' or '\\', "
            "the first of them no dot"
        )
    return text


def _inside(text: str) -> str:
    for part in text.split("/"):
        _name(part)
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[\w.+-]+", text):
        raise ValueError(f"{text!r} is no label; use letters, digits, '_', '.', '+' and '-' alone")
    return text


Name = Annotated[str, AfterValidator(_name)]
Word = Annotated[
    Name, AfterValidator(_word)
]  # a name that stands among others in tables and options, without blanks or commas
Inside = Annotated[str, AfterValidator(_inside)]  # a path that goes down from its folder
