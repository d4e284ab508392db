"""The figure of ``lenity lab figure1``: contours with each rule's path, the scalarised value per step, and the plane of values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lenity.lab.drawing import COLOURS, new_figure, save_figure
from lenity.lab.figure1 import Track
from lenity.lab.hand_made import PLACES, SPAN, START, compromise
from lenity.lab.world import Weights
from lenity.pareto.metrics import nondominated

PANELS = (
    ("linear and MGDA", ("linear", "mgda")), ("PLC, sigmoid", ("sigmoid",)),
    ("PLC, centered", ("centered",)), ("PLC, net", ("net",)),
)  # fmt: skip
FINE, LEVELS = 161, 22


def draw(found: list[Track], weights: Weights, temperature: float, folder: Path) -> list[Path]:
    """The paths of ``figure1.png`` and ``figure1.svg``, after they were written."""
    figure = new_figure(11.5, 6.6)
    axes = figure.subplots(2, 3, width_ratios=(1, 1, 0.85))
    grid, values = _grid()
    for axis, (title, families) in zip(axes[:, :2].flat, PANELS, strict=True):
        drawn = _contours(axis, grid, values @ weights[0].numpy())
        chosen = [track for track in found if track.family in families]
        for track in chosen:
            _path(axis, track)
        axis.set_title(title, color=COLOURS[chosen[0].family], fontweight="bold")
    figure.colorbar(drawn, ax=axes[:, :2], location="left", shrink=0.7, pad=0.01, format="%.2f", label="w · J")
    _by_step(axes[0, 2], found)
    _plane(axes[1, 2], found, values.reshape(-1, values.shape[-1]))
    _legend(figure, found)
    shown = ", ".join(f"{weight:g}" for weight in weights[0].tolist())
    figure.suptitle(f"From one start on one landscape, exact gradients; w = ({shown}), τ = {temperature:g}")
    return save_figure(figure, folder / "figure1")


def _grid() -> tuple[tuple[Any, Any], Any]:
    """The coordinates of the grid's axes, and J at each grid point, (Y, X, K)."""
    first, second = (np.linspace(*span, FINE) for span in SPAN)
    points = np.stack(np.meshgrid(first, second), -1)
    values = compromise().on_grid(torch.from_numpy(points.reshape(-1, 2)))[0].numpy()
    return (first, second), values.reshape(FINE, FINE, -1)


def _contours(axis: Any, grid: tuple[Any, Any], scalar: Any) -> Any:
    from matplotlib.colors import PowerNorm

    levels = scalar.max() * np.linspace(0, 1.001, LEVELS) ** 1.7  # closer where the compromise and the valley are
    drawn = axis.contourf(*grid, scalar, levels=levels, cmap="YlGnBu", norm=PowerNorm(0.6), alpha=0.5, extend="both")
    axis.contour(*grid, scalar, levels=levels, colors="white", linewidths=0.7)
    for name, place in (PLACES | {"valley": _valley(grid, scalar)}).items():
        above = 12 if name in ("peak of 1", "valley") else -13
        axis.annotate(
            name, place, ha="center", va="center", fontsize=8.5, xytext=(0, above), textcoords="offset points"
        )
        axis.plot(*place, marker="+", color="black", markersize=7)
    highest = np.unravel_index(np.argmax(scalar), scalar.shape)
    axis.plot(
        grid[0][highest[1]], grid[1][highest[0]], marker="*", color="#F0E442", markeredgecolor="black", markersize=13
    )
    axis.set(xlim=SPAN[0], ylim=SPAN[1], xlabel="θ₁", ylabel="θ₂")
    return drawn


def _valley(grid: tuple[Any, Any], scalar: Any) -> tuple[float, float]:
    """The lowest point on the line from the compromise to the middle of the front."""
    row = int(np.abs(grid[1]).argmin())
    between = (grid[0] > PLACES["compromise"][0]) & (grid[0] < PLACES["peak of 1"][0])
    return float(grid[0][np.where(between, scalar[row], np.inf).argmin()]), 0.0


def _path(axis: Any, track: Track) -> None:
    theta = track.theta.numpy()
    axis.plot(*theta.T, **_line(track))
    axis.plot(*START, marker="o", color="white", markeredgecolor="black", markersize=6)
    axis.plot(*theta[-1], **_end(track))


def _by_step(axis: Any, found: list[Track]) -> None:
    for track in found:
        steps = len(track.scalar)
        axis.semilogx(range(1, steps + 1), track.scalar.numpy(), **_line(track))
        axis.plot(steps, track.scalar[-1], clip_on=False, **_end(track))
    axis.set(title="w · J on the way", xlabel="step", ylabel="w · J")


def _plane(axis: Any, found: list[Track], values: Any) -> None:
    front = values[nondominated(values)]
    axis.plot(*front[front[:, 0].argsort()].T, color="#bbbbbb", linewidth=4)
    for track in found:
        axis.plot(*track.values.numpy().T, **_line(track))
        axis.plot(*track.values[-1].tolist(), **_end(track))
    axis.annotate(
        "Pareto front",
        front[front[:, 0].argmin()],
        fontsize=8,
        color="#777777",
        xytext=(6, 2),
        textcoords="offset points",
    )
    axis.set(title="the two values on the way", xlabel="J₁", ylabel="J₂")


def _line(track: Track) -> dict[str, Any]:
    """The line style of a path: constant leniency is broad and pale, since the path with decay begins on it."""
    if track.decayed:
        return {"color": COLOURS[track.family], "linewidth": 1.8, "linestyle": (0, (3, 1.5))}
    broad = "λ" in track.name
    return {"color": COLOURS[track.family], "linewidth": 5 if broad else 2.5, "alpha": 0.45 if broad else 1}


def _end(track: Track) -> dict[str, Any]:
    filled = "white" if track.decayed else COLOURS[track.family]
    return {"marker": "D" if track.decayed else "s", "color": filled, "markeredgecolor": COLOURS[track.family],
            "markersize": 6, "zorder": 5}  # fmt: skip


def _legend(figure: Any, found: list[Track]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], label=track.name, **(_end(track) | _line(track) | {"markerfacecolor": _end(track)["color"]}))
        for track in found
    ]
    marks = [
        Line2D([], [], linestyle="", marker="o", color="white", markeredgecolor="black", label="start"),
        Line2D(
            [],
            [],
            linestyle="",
            marker="*",
            color="#F0E442",
            markeredgecolor="black",
            markersize=11,
            label="best w · J",
        ),
    ]
    figure.legend(handles=lines + marks, loc="outside lower center", ncols=5, frameon=False)
