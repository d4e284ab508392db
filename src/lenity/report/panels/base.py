"""The parts of a page: figures as plain Plotly data, tables as cells, numbers as text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lenity.pareto.confidence import Interval

Trace = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """One state of a figure; ``layout`` holds its axes."""

    label: str
    data: list[Trace]
    layout: dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure of one section; of several ``choices`` the reader selects one, for all figures of the same ``group`` at once.

    Args:
        section: section of the page.
        name: stem of its file.
        title: heading.
        choices: at least one; the first is shown at first.
        view: name of the scores shown; empty where they are the same in all views.
        group: name of the figures that share a selection.
        height: pixels.
        note: how to read the figure, where the section does not explain it.
        wide: whether it takes the full width.
    """

    section: str
    name: str
    title: str
    choices: list[Choice]
    view: str = ""
    group: str = ""
    height: int = 360
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Cell:
    """Text, a smaller line below it, and its style: better, worse, differs or none."""

    text: str
    below: str = ""
    kind: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``over`` holds group headings and the number of columns that each spans, the first cell of a row is its name."""

    headings: list[str]
    rows: list[list[Cell]]
    caption: str
    over: list[tuple[str, int]] = field(default_factory=list)


def number(value: float) -> str:
    """Three or four significant digits, a true minus sign, "–" where there is none.

    >>> number(-0.1234), number(12.345), number(12345.6), number(float("nan"))
    ('−0.123', '12.3', '12,346', '–')
    """
    if math.isnan(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}".replace("-", "−")


def bracket(interval: Interval) -> str:
    """The bounds of an interval; empty where it is undefined."""
    return "" if math.isnan(interval.value) else f"[{number(interval.low)}, {number(interval.high)}]"


def with_bracket(interval: Interval) -> str:
    """The value of an interval and its bounds."""
    return f"{number(interval.value)} {bracket(interval)}".strip()


def short(name: str, most: int = 24) -> str:
    """A name cut to ``most`` characters: its beginning, and its end, in which names with settings differ.

    >>> short("plc, learning_rate 1e-5, kl.coefficient 0.1"), short("soups:exact")
    ('plc, lear…oefficient 0.1', 'soups:exact')
    """
    return name if len(name) <= most else f"{name[: most // 2 - 3]}…{name[-most // 2 - 2 :]}"


def signed(interval: Interval) -> str:
    """A difference with its sign and bounds."""
    return ("+" if interval.value > 0 else "") + with_bracket(interval)


def weights_text(weights: Mapping[str, float]) -> str:
    """The weights other than 0, as text.

    >>> weights_text({"helpful": 0.25, "harmless": 0.75, "humorous": 0.0})
    'helpful 0.25, harmless 0.75'
    >>> weights_text(dict.fromkeys("abc", 1 / 3))
    '0.333 each'
    """
    if len(weights) > 2 and len({round(weight, 6) for weight in weights.values()}) == 1:
        return f"{next(iter(weights.values())):.3g} each"
    return ", ".join(f"{name} {weight:.3g}" for name, weight in weights.items() if weight > 0)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings on one line; values as JSON, so that a line break in a stop string is visible."""
    return ", ".join(
        f"{name} {json.dumps(value, ensure_ascii=False)}"
        for name, value in settings.items()
        if value not in (None, [], "")
    )


def axis_text(objective: str, column: str) -> str:
    """The objective, with the reward or judge that scored it where that has another name."""
    if column == objective:
        return objective
    return f"{objective} (judge)" if column.startswith("judge: ") else f"{objective} ({column})"


def slug(*parts: str) -> str:
    """The stem of a file name made of ``parts``.

    >>> slug("metrics", "held-out rewards", "IGD+")
    'metrics-held-out-rewards-IGD-plus'
    """
    spelt = (part.replace("+", "-plus") for part in parts)
    return "-".join(filter(None, (re.sub(r"[^\w.]+", "-", part).strip("-") for part in spelt)))


def rounded(values: Any, digits: int = 4) -> list[Any]:
    """Numbers of a figure with few digits, for a small page; None, which leaves a gap, for missing or non-finite ones."""
    return [None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}") for value in values]


def error_bars(intervals: Sequence[Interval], colour: str) -> dict[str, Any]:
    """Plotly's error bars for ``intervals``."""
    return {
        "type": "data", "symmetric": False, "thickness": 1.4, "width": 4, "color": colour,
        "array": rounded([bar.high - bar.value for bar in intervals]),
        "arrayminus": rounded([bar.value - bar.low for bar in intervals]),
    }  # fmt: skip


def thinned(count: int, most: int) -> list[int]:
    """At most ``most`` of the positions below ``count``, evenly spaced, with both ends; the first where ``most`` is 1."""
    if count <= most:
        return list(range(count))
    return sorted({round(step * (count - 1) / max(most - 1, 1)) for step in range(most)})


def even_first(points: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The weights of ``points`` with the smallest maximum."""
    return min(points, key=lambda weights: max(weights.values()))
