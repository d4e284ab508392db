"""The figure of the checks: Theorem 1, Lemma 2, and both norms of Theorem 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenity.lab.drawing import COLOURS, new_figure, save_figure
from lenity.lab.theory import bias, limit, recovery
from lenity.lab.theory.check import Check

FLOOR = 1e-12  # norms below are rounding


def draw(checks: Sequence[Check], folder: Path) -> list[Path]:
    """The paths of ``theorems.png`` and ``theorems.svg``, after they were written."""
    figure = new_figure(10.5, 7)
    axes = figure.subplots(2, 2)
    _shares(axes[0, 0], [check for check in checks if check.claim == recovery.CLAIM])
    _bias(axes[0, 1], [check for check in checks if check.claim == bias.EACH])
    _norms(axes[1, 0], [check for check in checks if check.claim == limit.OWN])
    _norms(axes[1, 1], [check for check in checks if check.claim == limit.LINEAR])
    axes[1, 0].set_title("Theorem 2: the rule's own direction vanishes")
    axes[1, 1].set_title("Theorem 2: the linear gradient vanishes where λ → 0")
    figure.legend(*axes[1, 1].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return save_figure(figure, folder / "theorems")


def _shares(axis: Any, checks: Sequence[Check]) -> None:
    """Draw C at the stationary points, with one box per setting; the theorem's range is shaded."""
    boxes = [
        dict(zip(("whislo", "q1", "med", "q3", "whishi"), check.figures["share_quartiles"], strict=True)) for check in checks
    ]  # fmt: skip
    drawn = axis.bxp(boxes, showfliers=False, patch_artist=True, medianprops={"color": "black"})
    for box, check in zip(drawn["boxes"], checks, strict=True):
        box.set_facecolor(COLOURS[check.figures["gate"]])
    axis.axhspan(0, 1, color="#F0E442", alpha=0.3, linewidth=0)
    labels = [f"{check.figures['gate']}\nτ {check.figures['temperature']:g}" for check in checks]
    axis.set_xticks(range(1, len(checks) + 1), labels, fontsize=7.5)
    axis.set(title="Theorem 1: c in (0, 1)? Quartiles and extremes", ylabel="c", ylim=(-3, 4))


def _bias(axis: Any, checks: Sequence[Check]) -> None:
    for check in checks:
        surplus, bias_found = zip(*check.figures["surplus_bias"], strict=True)
        axis.loglog(surplus, bias_found, marker="o", markersize=3, color=COLOURS[check.figures["gate"]])
        axis.annotate(check.figures["gate"], (surplus[0], bias_found[0]), xytext=(6, -3), textcoords="offset points")
    axis.set(title="Lemma 2: bias of an objective as the others' surplus goes to 0", xlabel="E|S|", ylabel="bias")
    axis.set_xlim(right=3 * checks[0].figures["surplus_bias"][0][0])


def _norms(axis: Any, checks: Sequence[Check]) -> None:
    for check in checks:
        steps, median, _ = zip(*check.figures["step_median_largest"], strict=True)
        name = check.figures["rule"]
        style = {"linestyle": "--" if "→" in name else "-", "linewidth": 1.8}
        axis.loglog(
            steps, [max(norm, FLOOR) for norm in median], color=COLOURS[name.split(",")[0]], label=name, **style
        )
    axis.set(xlabel="step", ylabel="norm, median over worlds", ylim=(FLOOR, 2))
