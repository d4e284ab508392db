"""Plotly figures; each function takes what :mod:`lenity.report.collect` read and returns one figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lenity.pareto import confidence
from lenity.pareto.metrics import nondominated
from lenity.report.collect import Best, Run

COLOURS = ["#2f6fb0", "#d9762b", "#3a9a6a", "#a34f8c", "#7a6a3a", "#5b5b9e"]
SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "star"]


def front(runs: Sequence[Run], x: str, y: str, best: Best | None = None) -> Any:
    """Mean raw scores of every run in two objectives, with 95 % cross bars, the reference policy and the exact front."""
    import plotly.graph_objects as go

    figure = go.Figure()
    if best is not None and {x, y} <= set(best.objectives):
        points = best.front[:, [best.objectives.index(x), best.objectives.index(y)]]
        points = points[nondominated(points)]
        points = points[np.argsort(points[:, 0])]
        figure.add_scatter(
            x=points[:, 0], y=points[:, 1], mode="lines", name="exact best front", line={"color": "#999", "dash": "dot"}
        )
    for index, method in enumerate(dict.fromkeys(run.method for run in runs)):
        group = [run for run in runs if run.method == method]
        _crosses(
            figure, [run.scores([x, y], column="raw") for run in group], method, [run.name for run in group], index
        )
    _crosses(figure, [runs[0].scores([x, y], "reference", "raw")], "reference policy", ["reference policy"], -1)
    return _style(figure, f"{x} and {y}", f"mean {x}", f"mean {y}")


def _crosses(figure: Any, scores: list[Any], name: str, texts: list[str], index: int) -> None:
    intervals = [[confidence.mean(part[:, axis]) for axis in (0, 1)] for part in scores]
    bars = [
        {
            "type": "data", "symmetric": False, "thickness": 1, "width": 3,
            "array": [pair[axis].high - pair[axis].value for pair in intervals],
            "arrayminus": [pair[axis].value - pair[axis].low for pair in intervals],
        }
        for axis in (0, 1)
    ]  # fmt: skip
    marker = (
        {"size": 11, "color": "#222", "symbol": "x"}
        if index < 0
        else {"size": 10, "color": COLOURS[index % 6], "symbol": SYMBOLS[(index + index // 6) % 6]}
    )
    x, y = ([pair[axis].value for pair in intervals] for axis in (0, 1))
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=name,
        text=texts,
        marker=marker,
        error_x=bars[0],
        error_y=bars[1],
        hovertemplate="%{text}<br>%{x:.3f}, %{y:.3f}",
    )


def reward_curves(runs: Sequence[Run], objective: str) -> Any:
    """Mean raw reward an iteration during training, smoothed, one line a run."""
    return _curves(
        runs, lambda row: row["reward"].get(objective), f"{objective}: reward during training", "mean raw reward"
    )


def kl_curves(runs: Sequence[Run]) -> Any:
    """KL over the reference an iteration."""
    return _curves(runs, lambda row: row.get("kl"), "KL over the reference", "nats a response")


def conflict_curves(runs: Sequence[Run]) -> Any:
    """Share of tokens whose objectives disagree."""
    return _curves(runs, lambda row: row.get("conflict_rate"), "Conflict rate", "share of tokens")


def mask_curves(runs: Sequence[Run], objective: str) -> Any:
    """Mean of the lenient mask for one objective."""
    return _curves(runs, lambda row: (row.get("mask_mean") or {}).get(objective), f"{objective}: mean mask", "mask")


def _curves(runs: Sequence[Run], value: Callable[[dict[str, Any]], float | None], title: str, unit: str) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    methods = list(dict.fromkeys(run.method for run in runs))
    points = list(dict.fromkeys(str(run.weights) for run in runs))
    for run in runs:
        rows = [(row["iteration"], found) for row in run.metrics if (found := value(row)) is not None]
        if not rows:
            continue
        x, y = zip(*rows, strict=True)
        line = {
            "color": COLOURS[points.index(str(run.weights)) % 6],
            "dash": ["solid", "dash", "dot"][methods.index(run.method) % 3],
        }
        figure.add_scatter(x=x, y=smooth(y), mode="lines", name=run.name, line=line)
    return _style(figure, title, "iteration", unit)


def smooth(values: Sequence[float], keep: float = 0.7) -> list[float]:
    """Exponential moving average without the bias of its start; ``keep`` is the share of the past.

    >>> smooth([1.0, 1.0])
    [1.0, 1.0]
    """
    found, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
        found.append(total / weight)
    return found


def _style(figure: Any, title: str, x: str, y: str) -> Any:
    figure.update_layout(
        template="plotly_white", title=title, xaxis_title=x, yaxis_title=y, height=440,
        margin={"l": 60, "r": 20, "t": 50, "b": 50}, legend={"font": {"size": 11}}, font={"family": "system-ui, sans-serif"},
    )  # fmt: skip
    return figure
