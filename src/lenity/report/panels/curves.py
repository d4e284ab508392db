"""Training curves: logged values, smoothed, thinned, averaged over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lenity.report.collect import Run
from lenity.report.evidence import Evidence
from lenity.report.panels.base import Choice, Figure, Trace, even_first, rounded, slug, thinned, weights_text
from lenity.report.panels.looks import Look, axis, layout, looks

MOST_POINTS, LEAST_POINTS, POINTS = 60, 15, 3000  # points per curve, and in all curves of a figure
MOST_WEIGHTS, FEW = 12, 3  # weights to choose from; curves of fewer logged rows get marks
Value = Callable[[dict[str, Any]], float | None]


def training(evidence: Evidence) -> list[Figure]:
    """Curves of each objective's reward, KL and response length."""
    figures = []
    for name in evidence.runs[0].weights:
        value = _of("reward", name)
        figures += curves(
            evidence, "training", f"reward-{name}", value, title=f"Reward: {name}", unit="mean raw reward"
        )
    figures += curves(
        evidence, "training", "kl", _plain("kl"), title="KL from the reference policy", unit="nats per response"
    )
    length = _plain("response_length")
    return [*figures, *curves(evidence, "training", "length", length, title="Response length", unit="tokens")]


def negotiation(evidence: Evidence) -> list[Figure]:
    """Curves of the conflict rate, and of each objective's scale and surplus; docs/metrics.md defines them."""
    names, section = list(evidence.runs[0].weights), "negotiation"
    rate = _plain("conflict_rate")
    figures = curves(evidence, section, "conflict", rate, title="Conflict rate", unit="share of tokens")
    for name in names:
        scale = _of("objective_scale_mean", name)
        figures += curves(
            evidence, section, f"scale-{name}", scale, title=f"Objective scale: {name}", unit="mean scale"
        )
    for name in names:
        surplus, unit = _of("surplus", name), "others' weighted advantage"
        figures += curves(evidence, section, f"surplus-{name}", surplus, title=f"Surplus: {name}", unit=unit)
    return figures


def curves(evidence: Evidence, section: str, name: str, value: Value, *, title: str, unit: str) -> list[Figure]:
    """One figure of every method at the selected weights; none where nothing was logged."""
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
    """The weights to choose from, the most even first; of many, evenly spaced ones."""
    known = [dict(point) for point in dict.fromkeys(tuple(run.weights.items()) for run in runs if run.metrics)]
    if not known:
        return []
    first = dict(even_first(known))
    rest = [point for point in known if point != first]
    return [first, *(rest[place] for place in thinned(len(rest), MOST_WEIGHTS - 1))]


def at(runs: Sequence[Run], method: str, weights: dict[str, float]) -> list[Run]:
    """The trained runs of a method at ``weights``; for a method trained at one weighting only, these at all weights."""
    trained = [run for run in runs if run.method == method and run.metrics]
    once = len({tuple(run.weights.items()) for run in trained}) == 1
    return [run for run in trained if once or run.weights == weights]


def _traces(runs: Sequence[Run], value: Value, look: Look, most: int) -> list[Trace]:
    logged = [[(row["iteration"], y) for row in run.metrics if (y := value(row)) is not None] for run in runs]
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
    """Bias-corrected exponential moving average of decay ``keep``; NaN, which leaves a gap, at non-finite values.

    >>> smooth([1.0, float("inf"), 1.0])
    [1.0, nan, 1.0]
    """
    smoothed, total, weight = [], 0.0, 0.0
    for value in values:
        if not math.isfinite(value):
            smoothed.append(math.nan)
            continue
        total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
        smoothed.append(total / weight)
    return smoothed


def _plain(key: str) -> Value:
    return lambda row: row.get(key)


def _of(key: str, name: str) -> Value:
    def value(row: dict[str, Any]) -> float | None:
        logged: float | None = (row.get(key) or {}).get(name)
        return logged

    return value
