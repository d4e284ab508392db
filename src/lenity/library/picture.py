"""The plot of a front: one panel per pair of objectives, with the methods' mean scores and their 95 % intervals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.errors import ConfigError
from lenity.report.panels.fronts import in_order
from lenity.report.panels.looks import COLOURS, MUTED

if TYPE_CHECKING:
    from lenity.report.spots import Spot

MARKS = "osD^vph*"
WIDTH, HEIGHT = 4.4, 3.6  # inches per panel


@dataclass(frozen=True)
class Picture:
    """A matplotlib ``figure``, which a notebook displays as SVG."""

    figure: Any

    def save(self, path: str | Path) -> Path:
        """The path of the file, after it was written in the format of its extension, such as svg, png or pdf.

        Raises:
            ConfigError: the format is not known, or the file cannot be written.
        """
        try:
            self.figure.savefig(path)
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"path is '{path}', where the picture cannot be saved: {error}.",
                "Give a name such as 'front.svg' in a folder that exists.",
            ) from error
        return Path(path)

    def _repr_svg_(self) -> str:
        text = io.StringIO()
        self.figure.savefig(text, format="svg", metadata={"Date": None})
        return text.getvalue()


def draw(start: Spot, spots: Sequence[Spot], objectives: Sequence[str]) -> Picture:
    """The plot of every method's policies and of the policy before alignment.

    Raises:
        ConfigError: matplotlib is missing, or there is only one objective.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            "plot() draws with matplotlib, which is not installed.", "Install it: pip install 'lenity[docs]'."
        ) from error
    if len(objectives) < 2:
        raise ConfigError(f"plot() draws pairs of objectives, but there is {len(objectives)}.", "Use table() instead.")
    pairs = list(combinations(range(len(objectives)), 2))
    figure = Figure(figsize=(WIDTH * len(pairs), HEIGHT), layout="constrained")
    methods = list(dict.fromkeys(spot.method for spot in spots))
    for axis, pair in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        _points(axis, [start], pair, {"color": MUTED, "marker": "x", "linestyle": "none", "label": "before"})
        for i, method in enumerate(methods):
            group = [spot for spot in spots if spot.method == method]
            look = {
                "color": COLOURS[i % len(COLOURS)],
                "marker": MARKS[i % len(MARKS)],
                "linestyle": "none",
                "label": method,
            }
            _points(axis, group, pair, look)
            line = [spot.mean for spot in in_order(group, objectives, pair)]
            axis.plot(
                [mean[pair[0]] for mean in line], [mean[pair[1]] for mean in line], color=look["color"], linewidth=1
            )
        axis.set(xlabel=f"{objectives[pair[0]]}, mean →", ylabel=f"{objectives[pair[1]]}, mean →")
        axis.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    return Picture(figure)


def _points(axis: Any, spots: Sequence[Spot], pair: tuple[int, int], look: dict[str, Any]) -> None:
    """Draw the means of ``spots``, with their intervals as error bars."""
    x, y = ([spot.mean[k] for spot in spots] for k in pair)
    bars = [
        [[max(0, s.mean[k] - s.low[k]) for s in spots], [max(0, s.high[k] - s.mean[k]) for s in spots]] for k in pair
    ]
    axis.errorbar(x, y, xerr=bars[0], yerr=bars[1], elinewidth=0.7, markersize=6, **look)
