"""Metrics of fronts: one small bar chart each, and tables of the differences from the baseline."""

from __future__ import annotations

import math

from lenity.pareto.confidence import Interval
from lenity.pareto.measures import Measure, measures
from lenity.report.comparison import MAIN, Comparison
from lenity.report.panels.base import (
    Cell,
    Choice,
    Figure,
    Table,
    bracket,
    error_bars,
    number,
    rounded,
    short,
    signed,
    slug,
    weights_text,
)
from lenity.report.panels.looks import MUTED, TEXT, Look, axis, layout
from lenity.report.tables import count

MOST = 6  # shared weights named in a cell
ARROWS = {1: " ↑", -1: " ↓", 0: ""}
SAY = {1: "more is better", -1: "less is better", 0: "neither more nor less is better"}


def bars(comparison: Comparison, styles: dict[str, Look], section: str = "metrics") -> list[Figure]:
    """One figure per metric, with one bar and interval per method."""
    every = measures(comparison.objectives) if comparison.methods else []
    return [_bar(comparison, measure, styles, section) for measure in every]


def _bar(comparison: Comparison, measure: Measure, styles: dict[str, Look], section: str) -> Figure:
    by_method = {one.method: one.metrics[measure.name] for one in comparison.methods}
    methods, known = list(by_method), list(by_method.values())
    trace = {
        "type": "bar", "orientation": "h", "y": methods, "x": rounded([bar.value for bar in known]),
        "error_x": error_bars(known, TEXT), "marker": {"color": [styles[method].colour for method in methods]}, "showlegend": False, "width": 0.62,
        "text": [f"{number(bar.value)} {bracket(bar)}" for bar in known], "textposition": "none",
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }  # fmt: skip
    blank = [
        {"x": 0, "y": method, "text": "–", "showarrow": False, "xanchor": "left", "font": {"color": MUTED}}
        for method, bar in by_method.items()
        if math.isnan(bar.value)
    ]
    axes = layout(
        axis(nticks=5, zeroline=True, zerolinecolor=MUTED), axis(autorange="reversed", type="category", showgrid=False, tickvals=methods, ticktext=list(map(short, methods))),
        annotations=blank, shapes=_best(comparison, measure), margin={"l": 10, "r": 14, "t": 6, "b": 22},
    )  # fmt: skip
    return Figure(
        section, slug(section, comparison.view.name, measure.name), measure.name + ARROWS[measure.better],
        [Choice("", [trace], axes)], comparison.view.name, height=46 + 26 * len(methods),
        note=SAY[measure.better] + ("; the dotted line is the exact best front at these weights" if _best(comparison, measure) else ""),
    )  # fmt: skip


def _best(comparison: Comparison, measure: Measure) -> list[dict[str, object]]:
    if measure.name != "hypervolume" or comparison.best is None:
        return []
    line = {"color": TEXT, "dash": "dot", "width": 2}
    return [
        {"type": "line", "x0": comparison.best, "x1": comparison.best, "yref": "paper", "y0": 0, "y1": 1, "line": line}
    ]


def differences(comparison: Comparison) -> Table:
    """A table of each metric of each method and, below it, its paired difference from the baseline's."""
    rows = []
    for measure in measures(comparison.objectives):
        row = [Cell(measure.name + ARROWS[measure.better])]
        for one in comparison.methods:
            over = one.over.get(measure.name)
            below, kind = ("baseline", "none") if over is None else (_over(over), verdict(over, measure.better))
            own = one.metrics[measure.name]
            row.append(Cell(f"{number(own.value)} {bracket(own)}", below, kind))
        rows.append(row)
    names = [one.method for one in comparison.methods]
    caption = f"Value with its interval; below, the difference from {comparison.baseline} with its paired interval, grey where that includes 0."
    return Table(["metric", *names], rows, caption)


def pairs(comparison: Comparison) -> Table:
    """A table of paired differences in the main metrics for every two methods whose weights and seeds differ, at those that they share."""
    rows = []
    for pair in comparison.pairs:
        shared = f"{'; '.join(map(weights_text, pair.weights[:MOST]))}{' …' if len(pair.weights) > MOST else ''}"
        size = f"{count(len(pair.weights), 'weighting')}, {count(len(pair.seeds), 'seed')}" if pair.weights else "none"
        row = [Cell(f"{pair.method} over {pair.baseline}"), Cell(size, shared)]
        for name in MAIN:
            over = pair.over.get(name)
            row.append(Cell("–") if over is None else Cell(_over(over), "", verdict(over, 1)))
        rows.append(row)
    caption = "Per pair of methods, at the weights and seeds that the two share: the paired difference with its interval, grey where that includes 0."
    return Table(["pair", "shared", *(f"{name} ↑" for name in MAIN)], rows, caption)


def _over(over: Interval) -> str:
    return "–" if math.isnan(over.value) else signed(over)


def verdict(over: Interval, better: int) -> str:
    """The word for a difference: better, worse, differs or none.

    >>> verdict(Interval(-0.2, -0.3, -0.1), -1), verdict(Interval(0.2, -0.1, 0.3), 1)
    ('better', 'none')
    """
    if math.isnan(over.value) or not over.excludes_zero:
        return "none"
    return {1: "better", -1: "worse", 0: "differs"}[better * (1 if over.value > 0 else -1)]
