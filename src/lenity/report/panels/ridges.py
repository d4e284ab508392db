"""Reward distributions over the weights: one ridge per weighting (Figure 10 of arXiv 2604.05965)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenity.report.collect import View
from lenity.report.evidence import Evidence
from lenity.report.panels.base import Choice, Figure, Trace, axis_text, number, rounded, slug, thinned, weights_text
from lenity.report.panels.looks import MUTED, TEXT, axis, layout, looks
from lenity.report.scores import Scores
from lenity.report.spots import REFERENCE, Spot

Array = NDArray[np.float64]
STEPS, MOST, HEIGHT = (
    80,
    11,
    1.7,
)  # points per ridge; most ridges per method; height of the highest, in distances between ridges


def ridges(evidence: Evidence, view: View, spots: list[Spot], scores: Scores) -> list[Figure]:
    """One figure per objective, in which the reader selects the method."""
    return [_figure(evidence, view, name, spots, scores) for name in view.columns]


def _figure(evidence: Evidence, view: View, name: str, spots: list[Spot], scores: Scores) -> Figure:
    column = view.columns[name]
    before = _values(scores.start([column]))
    every = scores.stack(range(len(evidence.runs)), [column])
    pooled = np.concatenate([before, _values(every)])
    width = bandwidth(pooled)
    grid = _grid(pooled, width)
    styles, choices, most = looks(run.method for run in evidence.runs), [], 0
    for method, look in styles.items():
        group = sorted((one for one in spots if one.method == method), key=lambda one: one.weights[name])
        group = [group[place] for place in thinned(len(group), MOST)]
        if not group:
            continue
        rows = [(REFERENCE, before, MUTED)]
        rows += [(weights_text(one.weights), _values(scores.stack(one.runs, [column])), look.colour) for one in group]
        ticks: dict[str, Any] = {
            "tickvals": list(range(len(rows))),
            "ticktext": [row[0] for row in rows],
            "range": [-0.3, len(rows) + HEIGHT - 0.6],
        }
        axes = layout(
            axis(f"{axis_text(name, column)}, raw"),
            axis(**ticks, showgrid=True),
            margin={"l": 10, "r": 14, "t": 6, "b": 48},
        )
        choices.append(Choice(method, _traces(rows, grid, width), axes))
        most = max(most, len(rows))
    return Figure(
        "distributions", slug("distributions", view.name, name), axis_text(name, column), choices, view.name, "method", 120 + 34 * most
    )  # fmt: skip


def _traces(rows: list[tuple[str, Array, str]], grid: Array, width: float) -> list[Trace]:
    """The traces of the ridges, the top one first, so that lower ones are drawn over it; then the means."""
    shapes = [density(values, grid, width) for _, values, _ in rows]
    scale = HEIGHT / max(float(shape.max()) for shape in shapes)
    traces: list[Trace] = []
    for place in reversed(range(len(rows))):
        label, values, colour = rows[place]
        y = place + scale * shapes[place]
        traces.append({
            "type": "scatter", "mode": "lines", "x": rounded([grid[0], *grid, grid[-1]]), "y": rounded([place, *y, place]),
            "fill": "toself", "fillcolor": colour, "line": {"color": colour, "width": 1.2}, "opacity": 0.6, "hoveron": "fills",
            "hoverinfo": "text", "text": f"{label}<br>mean {number(float(values.mean()))}", "showlegend": False,
        })  # fmt: skip
    means = rounded([float(values.mean()) for _, values, _ in rows])
    marker = {"symbol": "line-ns", "size": 13, "color": TEXT, "line": {"width": 2.5, "color": TEXT}}
    ticks = {"mode": "markers", "x": means, "y": [place + 0.16 for place in range(len(rows))], "marker": marker}
    return [*traces, {"type": "scatter", "hoverinfo": "skip", "showlegend": False, **ticks}]


def density(values: Array, grid: Array, width: float) -> Array:
    """Gaussian kernel density of ``values`` at the points of ``grid``."""
    density: Array = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).mean(1) / (width * np.sqrt(2 * np.pi))
    return density


def bandwidth(values: Array) -> float:
    """Silverman's bandwidth, at least a fortieth of the range, so that scores with few distinct values give no extreme peaks."""
    quartiles = float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.34
    spread = min([part for part in (float(values.std()), quartiles) if part > 0], default=0.0)
    return float(max(0.9 * spread * len(values) ** -0.2, _range(values) / 40))


def _grid(values: Array, width: float) -> Array:
    """Evenly spaced points from the lowest to the highest score, with room for the tails of the kernel."""
    low, high = np.quantile(values, [0.001, 0.999])
    return np.linspace(low - 3 * width, high + 3 * width, STEPS)


def _range(values: Array) -> float:
    low, high = np.quantile(values, [0.001, 0.999])
    return float(high - low) or 1.0


def _values(scores: Array) -> Array:
    """The finite scores, flattened."""
    flat = scores.reshape(-1)
    finite: Array = flat[np.isfinite(flat)]
    return finite
