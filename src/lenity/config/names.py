"""Names from configurations that become parts of paths: they stay inside the folder that they are meant for."""

from __future__ import annotations

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


Name = Annotated[str, AfterValidator(_name)]
Inside = Annotated[str, AfterValidator(_inside)]  # a path that goes down from its folder
