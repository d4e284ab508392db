"""Figures of the study: escapes against harms, and both against the temperature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenity.lab.drawing import COLOURS, new_figure, save_figure
from studies.leniency.chosen import Reached, pooled
from studies.leniency.outcomes import Outcome, outcomes
from studies.leniency.settings import KINDS, Setting

MARKS = {"constant": "o", "linear": "v", "cosine": "s", "pulse": "^", "pulse, best kept": "*", "once stalled": "D"}


def draw(reached: Reached, settings: Sequence[Setting], stem: Path) -> list[Path]:
    """``<stem>_rates`` and ``<stem>_temperatures``, SVG and PNG each; over all worlds."""
    found = outcomes([setting for setting in settings if not setting.standardised], pooled(reached))
    lenient = [outcome for outcome in found if outcome.setting.kind in KINDS]
    return [*_rates(lenient, _beside(stem, "rates")), *_temperatures(lenient, _beside(stem, "temperatures"))]


def _rates(found: Sequence[Outcome], stem: Path) -> list[Path]:
    """A dot a setting; the upper left is what one wants."""
    figure = new_figure(6.4, 4.4)
    axis = figure.subplots()
    for outcome in found:
        mark = MARKS[outcome.setting.schedule.split(" to ")[0]]
        axis.scatter(
            100 * outcome.harm.value, 100 * outcome.escape.value, marker=mark, color=COLOURS[outcome.setting.kind], s=26, alpha=0.75,
            linewidths=0,
        )  # fmt: skip
    axis.set_xscale("symlog", linthresh=0.1)
    axis.set(xlabel="harms, % of worlds", ylabel="escapes, % of worlds", xlim=(-0.02, None))
    axis.set_title("Every setting against linear scalarisation, all worlds")
    _legend(axis)
    return save_figure(figure, stem)


def _temperatures(found: Sequence[Outcome], stem: Path) -> list[Path]:
    """Constant leniency and a linear fall, with intervals."""
    figure = new_figure(9.2, 3.6)
    axes = figure.subplots(1, 2, sharex=True)
    for kind in KINDS:
        for schedule, line in (("constant", "-"), ("linear to 0.6", ":")):
            own = sorted(
                (o for o in found if (o.setting.kind, o.setting.schedule) == (kind, schedule)),
                key=lambda o: o.setting.temperature or 0,
            )
            for axis, rates in zip(axes, ([o.escape for o in own], [o.harm for o in own]), strict=True):
                x = [o.setting.temperature for o in own]
                colour = COLOURS[kind]
                axis.plot(
                    x, [100 * r.value for r in rates], line, color=colour, label=f"{kind}, {schedule}", marker="."
                )
                axis.fill_between(
                    x,
                    [100 * r.low for r in rates],
                    [100 * r.high for r in rates],
                    color=colour,
                    alpha=0.08,
                    linewidth=0,
                )
    for axis, title in zip(axes, ("escapes", "harms"), strict=True):
        axis.set(xscale="log", xlabel="temperature τ", ylabel="% of worlds", title=title)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=7, frameon=False)
    return save_figure(figure, stem)


def _beside(stem: Path, part: str) -> Path:
    return stem.with_name(f"{stem.name}_{part}")


def _legend(axis: Any) -> None:
    """Colours are rules, marks are schedules."""
    for kind in KINDS:
        axis.scatter([], [], color=COLOURS[kind], label=kind, linewidths=0)
    for schedule, mark in MARKS.items():
        axis.scatter([], [], color="#777777", marker=mark, label=schedule, linewidths=0)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
