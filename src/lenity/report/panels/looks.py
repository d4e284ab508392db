"""Colours, symbols and dashes of methods. The colours are Okabe and Ito's, which colour-blind readers can distinguish; symbols and dashes repeat them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TEXT, MUTED, GRID, SURFACE = "#1f2733", "#667085", "#e3e6eb", "#ffffff"
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a6a4f", "#8a63c9"]
SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagram", "star"]
SOLID_SYMBOLS = ["circle", "square", "diamond", "cross", "circle-open", "square-open", "diamond-open", "x"]  # scatter3d
DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
DARK = {
    TEXT: "#e7eaf0", MUTED: "#98a2b3", GRID: "#313845", SURFACE: "#1b2029",
    "#0072b2": "#4fa9e0", "#d55e00": "#f58446", "#009e73": "#34c79c", "#cc79a7": "#e3a3c5",
    "#e69f00": "#f2bb45", "#56b4e9": "#93d0f5", "#7a6a4f": "#b9a683", "#8a63c9": "#b394ea",
}  # fmt: skip
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True)
class Look:
    """Colour, symbols and dash of one method in all figures."""

    colour: str
    symbol: str
    solid: str
    dash: str


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """The look of each method, in order; colours, symbols and dashes have cycles of different length, so that few combinations repeat."""
    result = {}
    for i, method in enumerate(dict.fromkeys(methods)):
        turn = i + i // len(COLOURS)
        symbol = SYMBOLS[turn % len(SYMBOLS)]
        result[method] = Look(
            COLOURS[i % len(COLOURS)], symbol, SOLID_SYMBOLS[turn % len(SOLID_SYMBOLS)], DASHES[i % len(DASHES)]
        )
    return result


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Plotly's settings of one axis."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 13}}, "gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "showline": True,
        "ticks": "outside", "tickcolor": MUTED, "ticklen": 4, "automargin": True, **more,
    }  # fmt: skip


def layout(x: dict[str, Any] | None = None, y: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Plotly's layout of a figure, without title and legend, which the page has itself."""
    axes = {name: part for name, part in (("xaxis", x), ("yaxis", y)) if part is not None}
    return {
        **axes, "font": {"family": FONT, "size": 13, "color": TEXT}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "margin": {"l": 56, "r": 14, "t": 14, "b": 48}, "showlegend": False,
        "hovermode": "closest", "hoverlabel": {"bgcolor": SURFACE, "bordercolor": MUTED, "font": {"color": TEXT}, "align": "left"},
        **more,
    }  # fmt: skip
