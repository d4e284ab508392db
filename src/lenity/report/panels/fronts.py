"""Fronts: the policies of every method in two objectives, with 95 % ellipses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenity.pareto.metrics import nondominated
from lenity.report.collect import Best, View
from lenity.report.evidence import Evidence
from lenity.report.panels.base import (
    Choice,
    Figure,
    Trace,
    axis_text,
    rounded,
    slug,
    thinned,
    weights_text,
    with_bracket,
)
from lenity.report.panels.looks import MUTED, SURFACE, TEXT, Look, axis, layout, looks
from lenity.report.spots import REFERENCE, Spot

Array = NDArray[np.float64]
RADIUS = math.sqrt(
    -2 * math.log(0.05)
)  # of the 95 % ellipse of two normal variables: chi-squared with 2 degrees of freedom
CORNERS = 6000  # of all ellipses of a figure together
MOST_PAIRS = 3  # pairs of objectives side by side; of more, the reader selects one


def fronts(evidence: Evidence, view: View, spots: Sequence[Spot], start: Spot) -> list[Figure]:
    """One figure per pair of objectives; for many pairs, one figure with a selected pair."""
    columns = list(view.columns.items())
    shown = []
    for x, y in combinations(range(len(columns)), 2):
        titles = [axis_text(*columns[k]) for k in (x, y)]
        axes = layout(axis(f"{titles[0]}, mean →"), axis(f"{titles[1]}, mean →"))
        label = f"{columns[x][0]} × {columns[y][0]}"
        shown.append(Choice(label, _traces(evidence, view, spots, start, pair=(x, y)), axes))
    name = slug("fronts", view.name, "pairs")
    if len(shown) > MOST_PAIRS:
        return [Figure("fronts", name, "Fronts in two objectives", shown, view.name, "pair", 520, wide=True)]
    height = 600 if len(shown) == 1 else 420
    return [
        Figure("fronts", slug("fronts", view.name, one.label), one.label, [one], view.name, height=height)
        for one in shown
    ]


def _traces(
    evidence: Evidence, view: View, spots: Sequence[Spot], start: Spot, *, pair: tuple[int, int]
) -> list[Trace]:
    """The traces of a figure; ellipses come first, so that they cover no mark."""
    names, styles = list(view.columns), looks(run.method for run in evidence.runs)
    corners = max(12, min(32, CORNERS // max(len(spots), 1)))
    groups = {method: [spot for spot in spots if spot.method == method] for method in styles}
    groups = {method: group for method, group in groups.items() if group}
    traces = [_ellipses(group, pair, styles[method].colour, corners) for method, group in groups.items()]
    traces += [_ellipses([start], pair, MUTED, corners), *_best(evidence.best, [view.columns[names[k]] for k in pair])]
    traces += [_line(group, names, pair, styles[method]) for method, group in groups.items()]
    if any(len(spot.seeds) > 1 for spot in spots):
        traces += [_seeds(group, names, list(pair), styles[method]) for method, group in groups.items()]
    traces += [_means(group, names, list(pair), styles[method]) for method, group in groups.items()]
    return [*traces, _start(start, names, list(pair)), _chosen()]


def _base(method: str, part: str) -> Trace:
    """The fields that all traces share; ``meta`` names the part that the reader can hide."""
    return {"type": "scatter", "legendgroup": method, "name": method, "meta": part, "showlegend": part == "means"}


def _ellipses(group: Sequence[Spot], pair: tuple[int, int], colour: str, corners: int) -> Trace:
    at = list(pair)
    means = np.array([spot.mean[at] for spot in group])
    x, y = outlines(means, np.array([spot.covariance[np.ix_(at, at)] for spot in group]), corners)
    return {
        **_base(group[0].method, "ellipses"), "mode": "lines", "x": x, "y": y, "fill": "toself", "fillcolor": colour,
        "line": {"width": 1.5, "color": colour}, "opacity": 0.2, "hoverinfo": "skip",
    }  # fmt: skip


def ellipse(mean: Array, covariance: Array, corners: int = 32) -> Array:
    """The closed outline of the region with 95 % of a normal distribution, (corners + 1, 2).

    Args:
        mean: (2,).
        covariance: of the mean, (2, 2); a singular one gives a line or a point.
        corners: number of corners of the outline.
    """
    values, vectors = np.linalg.eigh(covariance)
    turn = np.linspace(0, 2 * np.pi, corners + 1)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    outline: Array = mean + RADIUS * (circle * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return outline


def outlines(means: Array, covariances: Array, corners: int = 32) -> tuple[list[float | None], list[float | None]]:
    """The x and y of several ellipses as one trace, with a gap after each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for mean, covariance in zip(means, covariances, strict=True):
        outline = ellipse(mean, covariance, corners)
        x += [*rounded(outline[:, 0]), None]
        y += [*rounded(outline[:, 1]), None]
    return x, y


def _line(group: Sequence[Spot], names: list[str], pair: tuple[int, int], look: Look) -> Trace:
    places = [spot.mean[list(pair)] for spot in in_order(group, names, pair)]
    line = {"color": look.colour, "dash": look.dash, "width": 1.5}
    return {
        **_base(group[0].method, "line"), "mode": "lines", **_places(places), "line": line, "hoverinfo": "skip"
    }  # fmt: skip


def in_order(group: Sequence[Spot], names: Sequence[str], pair: tuple[int, int]) -> list[Spot]:
    """The spots with weight on these two objectives only, ordered by the weight of the first; a line joins them."""
    others = [name for k, name in enumerate(names) if k not in pair]
    alone = [spot for spot in group if all(spot.weights[name] == 0 for name in others)]
    return sorted(alone, key=lambda spot: spot.weights[names[pair[0]]])


def _means(group: list[Spot], names: list[str], at: list[int], look: Look) -> Trace:
    sizes = [8 + 6 * spot.weights[names[at[0]]] for spot in group]
    marker = {
        "color": look.colour,
        "symbol": look.symbol,
        "size": rounded(sizes),
        "line": {"width": 1, "color": SURFACE},
    }
    return {
        **_base(group[0].method, "means"), "mode": "markers", **_places([spot.mean[at] for spot in group]), "marker": marker,
        "text": [hover(spot, names) for spot in group], "hovertemplate": "%{text}<extra></extra>",
        "customdata": [spot.runs[0] for spot in group],
    }  # fmt: skip


def _seeds(group: list[Spot], names: list[str], at: list[int], look: Look) -> Trace:
    one = [(spot, i) for spot in group for i in range(len(spot.seeds))]
    return {
        **_base(group[0].method, "seeds"), "mode": "markers", **_places([spot.each[i, at] for spot, i in one]), "opacity": 0.6,
        "text": [hover(spot, names, i) for spot, i in one], "hovertemplate": "%{text}<extra></extra>",
        "customdata": [spot.runs[i] for spot, i in one],
        "marker": {"color": look.colour, "symbol": f"{look.symbol}-open", "size": 5},
    }  # fmt: skip


def hover(spot: Spot, names: Sequence[str], seed: int | None = None) -> str:
    """The hover text: method, weights, mean of each objective with its interval, or of one seed at position ``seed``."""
    lines = [f"<b>{escape(spot.method)}</b>"]
    lines += [f"weights: {escape(weights_text(spot.weights))}"] if spot.weights else []
    for k, name in enumerate(names):
        value = with_bracket(spot.interval(k)) if seed is None else f"{spot.each[seed, k]:.3f}"
        lines.append(f"{escape(name)}: {value}")
    seeds = spot.seeds if seed is None else [spot.seeds[seed]]
    if len(seeds) > 1:
        lines.append(f"mean of seeds {', '.join(map(str, seeds))}")
    return "<br>".join([*lines, *([f"seed {seeds[0]}"] if len(seeds) == 1 else [])])


def _start(start: Spot, names: list[str], at: list[int]) -> Trace:
    marker = {"color": TEXT, "symbol": "x", "size": 10}
    return {
        **_base(REFERENCE, "means"), "mode": "markers", **_places([start.mean[at]]), "marker": marker,
        "text": [hover(start, names)], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _best(best: Best | None, columns: list[str]) -> list[Trace]:
    """The trace of the exact best front in ``columns``, where it is known."""
    points = best_points(best, columns)
    if points is None:
        return []
    points = points[np.argsort(points[:, 0])]
    points = points[thinned(len(points), 120)]
    line = {"color": MUTED, "dash": "dot", "width": 2}
    return [
        {"type": "scatter", "mode": "lines", "name": "exact best front", **_places(list(points)), "line": line,
         "legendgroup": "exact best front", "hovertemplate": "exact best front<br>%{x:.3f}, %{y:.3f}<extra></extra>"}
    ]  # fmt: skip


def best_points(best: Best | None, columns: list[str]) -> Array | None:
    """The non-dominated points of the known best front in ``columns``, (n, K); None where it is unknown in these."""
    if best is None or not set(columns) <= set(best.objectives):
        return None
    points = best.front[:, [best.objectives.index(name) for name in columns]]
    kept: Array = points[nondominated(points)]
    return kept


def _chosen() -> Trace:
    """The trace of the ring that the page draws around the selected point."""
    marker = {"color": TEXT, "symbol": "circle-open", "size": 22, "line": {"width": 2}}
    return {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip", "name": "chosen",
            "showlegend": False, "marker": marker}  # fmt: skip


def _places(points: Sequence[Any]) -> dict[str, list[Any]]:
    """The x and y of points (n, 2)."""
    array = np.array(points, dtype=np.float64).reshape(-1, 2)
    return {"x": rounded(array[:, 0]), "y": rounded(array[:, 1])}
