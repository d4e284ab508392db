"""One judgement of the doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from lenity.doctor.figures import Figures

Level = Literal["ok", "not measured", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found about what; where it is bad, what will go wrong and what to change, and why where it is not measured."""

    level: Level
    about: str
    text: str


Check = Callable[[Figures], Iterator[Finding]]


def unmeasured(about: str, why: str) -> Finding:
    """Nothing can be said."""
    return Finding("not measured", about, why)


def warning(about: str, text: str) -> Finding:
    """The run will go on, but perhaps not as wished."""
    return Finding("warning", about, text)


def problem(about: str, text: str) -> Finding:
    """The run will fail, or learn what is not meant."""
    return Finding("problem", about, text)
