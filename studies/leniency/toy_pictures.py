"""Figures of the toy part: scalarised value against the temperature, and against the share of noisy scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lenity.lab.drawing import COLOURS, new_figure, save_figure
from lenity.pareto.confidence import Interval
from studies.leniency.settings import KINDS, LINEAR
from studies.leniency.toy import CLEAN, Condition, noise_values

VALUE, FALLING = "scalarised value", "--"


def draw(found: Mapping[str, Condition], stem: Path) -> list[Path]:
    """``<stem>_toy``, SVG and PNG; nothing without the sweep of the settings."""
    if CLEAN not in found:
        return []
    figure = new_figure(9.2, 3.6)
    left, right = figure.subplots(1, 2)
    _temperatures(found[CLEAN], left)
    _noise(found, right)
    return save_figure(figure, stem.with_name(f"{stem.name}_toy"))


def _temperatures(condition: Condition, axis: Any) -> None:
    by_name = {method.method: method.metrics[VALUE] for method in condition.comparison.methods}
    for kind in KINDS:
        own = {
            float(name.split("-")[1]): value for name, value in by_name.items() if re.fullmatch(rf"{kind}-[\d.]+", name)
        }
        _line(axis, own, COLOURS[kind], kind)
    if LINEAR in by_name:
        axis.axhline(by_name[LINEAR].value, color=COLOURS["linear"], linewidth=1)
        axis.axhspan(
            by_name[LINEAR].low, by_name[LINEAR].high, color=COLOURS["linear"], alpha=0.08, linewidth=0, label="linear"
        )
    axis.set(xscale="log", xlabel="temperature τ", ylabel=VALUE, title="Constant leniency")
    axis.legend(fontsize=7, frameon=False)


def _noise(found: Mapping[str, Condition], axis: Any) -> None:
    names = [name for name in found if name == CLEAN or name.startswith("noise_")]
    drawn, cells = noise_values(found, names)
    methods = list(dict.fromkeys(method for _, method in cells))
    for at, method in enumerate(methods):
        aside = 0.5 * (at - (len(methods) - 1) / 2)  # so that intervals do not lie on each other
        own = {aside + (0.0 if name == CLEAN else float(name.split("_")[1])): drawn.interval(i)
               for i, (name, of) in enumerate(cells) if of == method}  # fmt: skip
        _line(axis, own, COLOURS.get(method.split("-")[0]), method, FALLING if "-linear-" in method else "-")
    axis.set(xlabel="noisy responses, % of each batch", title="Reward noise (eq. 34); evaluated without")
    axis.legend(fontsize=7, frameon=False)


def _line(axis: Any, values: Mapping[float, Interval], colour: str | None, name: str, style: str = "-") -> None:
    x = sorted(values)
    if x:
        lengths = [[values[at].value - values[at].low for at in x], [values[at].high - values[at].value for at in x]]
        axis.errorbar(
            x,
            [values[at].value for at in x],
            yerr=lengths,
            color=colour,
            label=name,
            marker=".",
            linestyle=style,
            linewidth=1,
            capsize=2,
        )
