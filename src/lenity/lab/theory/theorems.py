"""All claims in one list, the picture of Theorem 2, and the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lenity.lab.theory import bias, definitions, limit, recovery
from lenity.lab.theory.check import Check, write
from lenity.lab.theory.limit import Norms


def theorems(advance: Callable[..., None] = lambda *_: None) -> tuple[list[Check], dict[str, Norms]]:
    """Measure everything; ``advance`` is told after each of the four parts."""
    found = recovery.checks()
    advance()
    found += bias.checks()
    advance()
    more, traces = limit.checks()
    found += more
    advance()
    found += definitions.checks()
    advance()
    return found, traces


def save(checks: list[Check], traces: dict[str, Norms], folder: Path) -> list[Path]:
    """``theorems.json``, ``theorems.md`` and the picture of Theorem 2; their paths."""
    return [*write(checks, folder), *_draw(traces, folder)]


def _draw(traces: dict[str, Norms], folder: Path) -> list[Path]:
    from lenity.lab.drawing import COLOURS, new_figure, save_figure

    figure = new_figure(8.6, 3.6)
    left, right = figure.subplots(1, 2, sharey=True)
    for name, trace in traces.items():
        style = {"color": COLOURS[name.split(",")[0]], "linestyle": "--" if "→" in name else "-", "label": name}
        left.loglog(trace.steps, [x.median().item() for x in trace.own], **style)
        right.loglog(trace.steps, [x.median().item() for x in trace.linear], **style)
    left.set(title="the rule's own direction, ‖E g‖", xlabel="step", ylabel="norm, median over worlds", ylim=(1e-12, 2))
    right.set(title="the linear gradient on the way", xlabel="step")
    right.legend(frameon=False, fontsize=7.5, loc="lower left")
    return save_figure(figure, folder / "theorem2")
