"""Data embedded in the page as JSON, and figures with fewer choices where the page would become too large."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lenity.report.panels.base import Figure, thinned

if TYPE_CHECKING:
    from markupsafe import Markup

ROOM = 2_300_000  # bytes of all figures
# the order in which choices are dropped: a group of figures, and how many choices each of them keeps
STEPS = (
    ("training", 4), ("negotiation", 4), ("pair", 6), ("method", 6), ("training", 1), ("negotiation", 1), ("pair", 2), ("method", 2)
)  # fmt: skip


def as_json(value: Any) -> Markup:
    r"""``value`` as JSON that is safe within a script element: it contains no ``<``, ``>`` or ``&``.

    >>> print(as_json({"text": "</script>"}))
    {"text":"\u003c/script\u003e"}
    """
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # nosec B704  # escaped above


def lighter(figures: Sequence[Figure], room: int = ROOM) -> list[Figure]:
    """The figures, some with fewer choices and a note where all choices would take more than ``room`` bytes."""
    kept = list(figures)
    for group, most in STEPS:
        if sum(map(size, kept)) <= room:
            break
        kept = [_fewer(figure, most) if figure.group == group else figure for figure in kept]
    return kept


def size(figure: Figure) -> int:
    """The bytes that the figure's choices take in the page."""
    return len(as_json([vars(choice) for choice in figure.choices]).encode())


def _fewer(figure: Figure, most: int) -> Figure:
    if len(figure.choices) <= most:
        return figure
    note = f"{most} of the choices, as all would make the page too large"
    return replace(figure, choices=[figure.choices[place] for place in thinned(len(figure.choices), most)], note=note)
