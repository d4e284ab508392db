"""Draw docs/front.svg, the README's picture, from a finished demo; a folder that is not there yet is made by running one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenity.pareto import confidence
from lenity.pareto.metrics import nondominated
from lenity.report import collect
from lenity.report.figures import COLOURS

ROOT = Path(__file__).resolve().parents[1]
PAIRS = (("helpful_exact", "harmless_exact"), ("harmless_exact", "humorous_exact"))
MARKERS = "oDs^"


def cross(axes: Axes, scores: np.ndarray, **style: object) -> None:
    """A mean with its 95 % intervals, from (prompts, 2)."""
    x, y = (confidence.mean(scores[:, axis]) for axis in (0, 1))
    bars = [[[i.value - i.low], [i.high - i.value]] for i in (x, y)]
    axes.errorbar(x.value, y.value, xerr=bars[0], yerr=bars[1], ms=6, lw=1, capsize=2, **style)


def panel(axes: Axes, runs: list[collect.Run], best: collect.Best, pair: tuple[str, str]) -> None:
    points = best.front[:, [best.objectives.index(name) for name in pair]]
    points = points[nondominated(points)]
    points = points[np.argsort(points[:, 0])]
    axes.plot(*points.T, ls=":", color="#999", label="exact best front")
    for index, method in enumerate(dict.fromkeys(run.method for run in runs)):
        for i, run in enumerate(run for run in runs if run.method == method):
            style = {"fmt": MARKERS[index], "color": COLOURS[index], "label": method if i == 0 else None}
            cross(axes, run.scores(list(pair), column="raw"), **style)
    cross(axes, runs[0].scores(list(pair), "reference", "raw"), fmt="x", color="#222", label="before alignment")
    axes.set_xlabel(pair[0].removesuffix("_exact"))
    axes.set_ylabel(pair[1].removesuffix("_exact"))
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "runs" / "demo", help="default: %(default)s")
    folder = parser.parse_args().folder
    if not folder.is_dir():
        from lenity.toy.demo import demo

        demo(folder)
    runs, best = collect.read_runs(folder), collect.read_best(folder)
    assert best is not None, f"{folder} is not a demo: it has no exact best front"
    rcParams.update({"font.size": 9, "svg.hashsalt": "lenity", "svg.fonttype": "none"})
    figure = Figure(figsize=(8.4, 3.6), layout="constrained", facecolor="white")
    axes = figure.subplots(1, 2)
    for one, pair in zip(axes, PAIRS, strict=True):
        panel(one, runs, best, pair)
    axes[0].legend(frameon=False, fontsize=8)
    file = ROOT / "docs" / "front.svg"
    figure.savefig(file, metadata={"Date": None})
    sys.stdout.write(f"{file.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
