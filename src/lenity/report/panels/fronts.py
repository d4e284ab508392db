"""Fronts: the policies of every method in two objectives, with 95 % ellipses."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import combinations
from typing import Any

import numpy as np

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
from lenity.report.panels.ellipse import outlines
from lenity.report.panels.looks import MUTED, SURFACE, TEXT, Look, axis, layout, looks
from lenity.report.spots import REFERENCE, Spot

CORNERS = 6000  # of all ellipses of a figure; with more points each has fewer
MOST_PAIRS = 3  # beside each other; of more the reader chooses one


def fronts(evidence: Evidence, view: View, spots: Sequence[Spot], start: Spot) -> list[Figure]:
    """One figure for each pair of objectives; of many objectives one figure that shows a chosen pair."""
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
    """Ellipses lowest, so that they dim no mark."""
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
    """``meta`` names what the reader can hide."""
    return {"type": "scatter", "legendgroup": method, "name": method, "meta": part, "showlegend": part == "means"}


def _ellipses(group: Sequence[Spot], pair: tuple[int, int], colour: str, corners: int) -> Trace:
    at = list(pair)
    means = np.array([spot.mean[at] for spot in group])
    x, y = outlines(means, np.array([spot.covariance[np.ix_(at, at)] for spot in group]), corners)
    return {
        **_base(group[0].method, "ellipses"), "mode": "lines", "x": x, "y": y, "fill": "toself", "fillcolor": colour,
        "line": {"width": 1.5, "color": colour}, "opacity": 0.2, "hoverinfo": "skip",
    }  # fmt: skip


def _line(group: Sequence[Spot], names: list[str], pair: tuple[int, int], look: Look) -> Trace:
    places = [spot.mean[list(pair)] for spot in in_order(group, names, pair)]
    line = {"color": look.colour, "dash": look.dash, "width": 1.5}
    return {
        **_base(group[0].method, "line"), "mode": "lines", **_places(places), "line": line, "hoverinfo": "skip"
    }  # fmt: skip


def in_order(group: Sequence[Spot], names: Sequence[str], pair: tuple[int, int]) -> list[Spot]:
    """The spots whose weights are on these two objectives alone, by the weight of the first: what a line may join."""
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
    """Method, weights, each objective's mean with its interval; of one seed where ``seed`` is its place."""
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
    """The known best front, where it is known in these scores."""
    if best is None or not set(columns) <= set(best.objectives):
        return []
    points = best.front[:, [best.objectives.index(name) for name in columns]]
    points = points[nondominated(points)]
    points = points[np.argsort(points[:, 0])]
    points = points[thinned(len(points), 120)]
    line = {"color": MUTED, "dash": "dot", "width": 2}
    return [
        {"type": "scatter", "mode": "lines", "name": "exact best front", **_places(list(points)), "line": line,
         "legendgroup": "exact best front", "hovertemplate": "exact best front<br>%{x:.3f}, %{y:.3f}<extra></extra>"}
    ]  # fmt: skip


def _chosen() -> Trace:
    """A ring that the page puts around the chosen point."""
    marker = {"color": TEXT, "symbol": "circle-open", "size": 22, "line": {"width": 2}}
    return {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip", "name": "chosen",
            "showlegend": False, "marker": marker}  # fmt: skip


def _places(points: Sequence[Any]) -> dict[str, list[Any]]:
    """Of points (n, 2), x and y."""
    found = np.array(points, dtype=np.float64).reshape(-1, 2)
    return {"x": rounded(found[:, 0]), "y": rounded(found[:, 1])}
