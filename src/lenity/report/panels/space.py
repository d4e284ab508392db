"""Fronts of other than two objectives: intervals for one, three dimensions for three, parallel axes for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.report.collect import Best, View
from lenity.report.evidence import Evidence
from lenity.report.panels.base import Choice, Figure, Trace, axis_text, error_bars, rounded, slug, thinned, weights_text
from lenity.report.panels.fronts import best_points, hover
from lenity.report.panels.looks import MUTED, SURFACE, TEXT, Look, axis, layout, looks
from lenity.report.spots import REFERENCE, Spot

MOST_BEST = 250  # points of the exact best front


def space(
    evidence: Evidence, view: View, spots: Sequence[Spot], start: Spot, standardised: Sequence[Spot]
) -> list[Figure]:
    """The figure of all objectives at once; none for two. ``standardised`` are the same spots by standardised scores."""
    styles = looks(run.method for run in evidence.runs)
    if len(view.columns) == 1:
        return [_strip(view, [*spots, start], styles)]
    if len(view.columns) == 3:
        return [_solid(view, spots, start, styles, evidence.best)]
    return [_parallel(view, standardised, styles)] if len(view.columns) > 3 else []


def _strip(view: View, spots: Sequence[Spot], styles: dict[str, Look]) -> Figure:
    name, column = next(iter(view.columns.items()))
    labels = [f"{spot.method} · {weights_text(spot.weights)}" if spot.weights else spot.method for spot in spots]
    bars = [spot.interval(0) for spot in spots]
    trace = {
        "type": "scatter", "mode": "markers", "x": rounded([bar.value for bar in bars]), "y": labels,
        "error_x": error_bars(bars, MUTED), "text": [hover(spot, [name]) for spot in spots], "hovertemplate": "%{text}<extra></extra>",
        "customdata": [spot.runs[0] if spot.runs else None for spot in spots], "showlegend": False,
        "marker": {"size": 11, "color": [_colour(spot, styles) for spot in spots],
                   "symbol": [styles[spot.method].symbol if spot.method in styles else "x" for spot in spots]},
    }  # fmt: skip
    axes = layout(axis(f"{axis_text(name, column)}, mean →"), axis(autorange="reversed", type="category"))
    height = 110 + 28 * len(spots)
    return Figure(
        "fronts", slug("fronts", view.name, name), name, [Choice("", [trace], axes)], view.name, height=height
    )


def _solid(view: View, spots: Sequence[Spot], start: Spot, styles: dict[str, Look], best: Best | None) -> Figure:
    names = list(view.columns)
    traces = _best(best, list(view.columns.values()))
    for method, look in styles.items():
        group = [spot for spot in spots if spot.method == method]
        traces += [_points(method, group, names, look.colour, look.solid)] if group else []
    traces.append(_points(REFERENCE, [start], names, TEXT, "x"))
    scene: dict[str, Any] = {
        f"{letter}axis": {"title": {"text": title}, "gridcolor": MUTED, "color": TEXT, "backgroundcolor": SURFACE, "showbackground": False}
        for letter, title in zip("xyz", names, strict=True)
    }  # fmt: skip
    scene |= {"camera": {"eye": {"x": 1.75, "y": 1.75, "z": 1.0}, "center": {"z": -0.12}}, "aspectmode": "cube"}
    axes = layout(scene=scene, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    return Figure(
        "fronts", slug("fronts", view.name, "space"), "All three at once", [Choice("", traces, axes)], view.name, height=420,
        note="Drag to rotate, scroll to zoom. Bars are 95 % intervals.",
    )  # fmt: skip


def _points(name: str, group: Sequence[Spot], names: list[str], colour: str, symbol: str) -> Trace:
    trace: Trace = {
        "type": "scatter3d", "mode": "markers", "name": name, "legendgroup": name, "text": [hover(spot, names) for spot in group],
        "hovertemplate": "%{text}<extra></extra>", "customdata": [spot.runs[0] if spot.runs else None for spot in group],
        "marker": {"color": colour, "symbol": symbol, "size": 5},
    }  # fmt: skip
    for k, letter in enumerate("xyz"):
        bars = [spot.interval(k) for spot in group]
        trace[letter] = rounded([bar.value for bar in bars])
        trace[f"error_{letter}"] = {**error_bars(bars, colour), "thickness": 1, "width": 0}
    return trace


def _best(best: Best | None, columns: list[str]) -> list[Trace]:
    points = best_points(best, columns)
    if points is None:
        return []
    points = points[thinned(len(points), MOST_BEST)]
    x, y, z = (rounded(points[:, k]) for k in range(3))
    name = "exact best front"
    return [
        {"type": "scatter3d", "mode": "markers", "name": name, "legendgroup": name, "x": x, "y": y, "z": z, "opacity": 0.5,
         "marker": {"size": 2, "color": MUTED}, "hoverinfo": "skip"}
    ]  # fmt: skip


def _parallel(view: View, spots: Sequence[Spot], styles: dict[str, Look]) -> Figure:
    names = list(view.columns)
    traces = []
    for method, look in styles.items():
        for i, spot in enumerate(one for one in spots if one.method == method):
            traces.append({
                "type": "scatter", "mode": "lines+markers", "name": method, "legendgroup": method, "showlegend": i == 0,
                "x": names, "y": rounded(spot.mean), "text": [hover(spot, names)] * len(names),
                "hovertemplate": "%{text}<extra></extra>", "customdata": [spot.runs[0]] * len(names),
                "line": {"color": look.colour, "dash": look.dash, "width": 1.5}, "marker": {"symbol": look.symbol, "size": 8},
            })  # fmt: skip
    axes = layout(axis(type="category"), axis("mean standardised reward →"))
    return Figure(
        "fronts", slug("fronts", view.name, "parallel"), "All objectives at once", [Choice("", traces, axes)], view.name,
        height=440, wide=True, note="One line per policy, in standardised rewards; a line above another at every objective dominates it.",
    )  # fmt: skip


def _colour(spot: Spot, styles: dict[str, Look]) -> str:
    return styles[spot.method].colour if spot.method in styles else TEXT
