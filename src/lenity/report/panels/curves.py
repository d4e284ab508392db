"""Curves over training: what runs logged, smoothed, thinned, mean over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lenity.report.collect import Run
from lenity.report.evidence import Evidence
from lenity.report.panels.base import Choice, Figure, Trace, even_first, rounded, slug, thinned, weights_text
from lenity.report.panels.looks import Look, axis, layout, looks

MOST_POINTS, LEAST_POINTS, POINTS = 60, 15, 3000  # of a curve, and of all in a figure
MOST_WEIGHTS, FEW = 12, 3  # to choose from; fewer logged rows are marks, not a line
Value = Callable[[dict[str, Any]], float | None]


def curves(evidence: Evidence, section: str, name: str, value: Value, *, title: str, unit: str) -> list[Figure]:
    """One figure that shows every method at the chosen weights; none where nothing was logged."""
    styles = looks(run.method for run in evidence.runs)
    choices, shown = [], offered(evidence.runs)
    most = int(np.clip(POINTS // max(len(shown) * len(styles), 1), LEAST_POINTS, MOST_POINTS))
    for weights in shown:
        groups = [at(evidence.runs, method, weights) for method in styles]
        traces = [trace for runs in groups if runs for trace in _traces(runs, value, styles[runs[0].method], most)]
        if traces:
            choices.append(Choice(weights_text(weights), traces, layout(axis("iteration"), axis(unit))))
    if not choices:
        return []
    return [Figure(section, slug(section, name), title, choices, group=section, height=320)]


def offered(runs: Sequence[Run]) -> list[dict[str, float]]:
    """The weights to choose from, the most even first; of many, some at even steps."""
    known = [dict(point) for point in dict.fromkeys(tuple(run.weights.items()) for run in runs if run.metrics)]
    if not known:
        return []
    first = dict(even_first(known))
    rest = [point for point in known if point != first]
    return [first, *(rest[place] for place in thinned(len(rest), MOST_WEIGHTS - 1))]


def at(runs: Sequence[Run], method: str, weights: dict[str, float]) -> list[Run]:
    """The trainings of a method at these weights; a method that was trained at one weighting only serves all with it."""
    trained = [run for run in runs if run.method == method and run.metrics]
    once = len({tuple(run.weights.items()) for run in trained}) == 1
    return [run for run in trained if once or run.weights == weights]


def _traces(runs: Sequence[Run], value: Value, look: Look, most: int) -> list[Trace]:
    logged = [[(row["iteration"], found) for row in run.metrics if (found := value(row)) is not None] for run in runs]
    logged = [rows for rows in logged if rows]
    if not logged:
        return []
    count, method = min(map(len, logged)), runs[0].method
    iterations = [row[0] for row in logged[0][:count]]
    lines = np.array([smooth([row[1] for row in rows[:count]]) for rows in logged])
    kept = thinned(count, most)
    x = [iterations[i] for i in kept]
    base = {"type": "scatter", "name": method, "legendgroup": method, "x": x}
    band = []
    if len(lines) > 1 and count >= FEW:
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "opacity": 0.5}
        ends = [*rounded(lines.max(0)[kept]), *rounded(lines.min(0)[kept][::-1])]
        band = [
            {
                **base,
                **edge,
                "x": [*x, *x[::-1]],
                "y": ends,
                "fill": "toself",
                "fillcolor": look.colour,
                "opacity": 0.15,
            }
        ]
    mode = "lines" if count >= FEW else "lines+markers"
    place = weights_text(runs[0].weights)
    return [*band, {
        **base, "mode": mode, "y": rounded(lines.mean(0)[kept]), "line": {"color": look.colour, "dash": look.dash, "width": 2},
        "marker": {"symbol": look.symbol, "size": 8},
        "hovertemplate": f"<b>{method}</b>, trained at {place}<br>iteration %{{x}}: %{{y:.4g}}<extra></extra>",
    }]  # fmt: skip


def smooth(values: Sequence[float], keep: float = 0.7) -> list[float]:
    """Exponential moving average without the bias of its start; ``keep`` is the share of the past. What is not finite is NaN, a gap.

    >>> smooth([1.0, float("inf"), 1.0])
    [1.0, nan, 1.0]
    """
    found, total, weight = [], 0.0, 0.0
    for value in values:
        if not math.isfinite(value):
            found.append(math.nan)
            continue
        total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
        found.append(total / weight)
    return found
