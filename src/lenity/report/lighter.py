"""Fewer choices in figures that would make the page too large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lenity.report.embedded import as_json
from lenity.report.panels.base import Figure, thinned

ROOM = 2_300_000  # bytes of all figures
# what can be spared first: groups of figures, and how many choices are left in each
STEPS = (
    ("training", 4), ("negotiation", 4), ("pair", 6), ("method", 6), ("training", 1), ("negotiation", 1), ("pair", 2), ("method", 2)
)  # fmt: skip


def lighter(figures: Sequence[Figure], room: int = ROOM) -> list[Figure]:
    """The figures, of which some show fewer choices and say so where all of them take more than ``room`` bytes."""
    found = list(figures)
    for group, most in STEPS:
        if sum(map(size, found)) <= room:
            break
        found = [_fewer(figure, most) if figure.group == group else figure for figure in found]
    return found


def size(figure: Figure) -> int:
    """Bytes of its choices in the page."""
    return len(as_json([vars(choice) for choice in figure.choices]).encode())


def _fewer(figure: Figure, most: int) -> Figure:
    if len(figure.choices) <= most:
        return figure
    note = f"{most} of the choices, as all would make the page too large"
    return replace(figure, choices=[figure.choices[place] for place in thinned(len(figure.choices), most)], note=note)
