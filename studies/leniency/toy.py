"""The toy part of the study: what `lenity sweep` left in one folder a condition, as tables with intervals against linear scalarisation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenity.evaluation.table import paired
from lenity.pareto import confidence
from lenity.pareto.confidence import Estimates, Interval
from lenity.report.collect import Run
from lenity.report.comparison import Comparison
from lenity.report.evidence import gather
from lenity.report.grid import Grid
from lenity.report.tables import markdown, methods
from studies.leniency.settings import LINEAR

Array = NDArray[np.float64]
CLEAN = "settings"
CONDITIONS = {
    CLEAN: "as the trainer has it", "normalise_scale_only": "normalise: scale_only", "normalise_none": "normalise: none",
    "noise_10": "noise on 10 %", "noise_20": "noise on 20 %", "noise_40": "noise on 40 %",
}  # fmt: skip
FIGURES = ("scalarised value", "hypervolume", "compliance")
PAPER = "sigmoid-0.5"


@dataclass(frozen=True)
class Condition:
    """One sweep: its comparison by the trained rewards, KL beside linear scalarisation's, and scalarised value beside the paper's.

    ``over_paper`` is empty where the paper's setting was not run.
    """

    name: str
    runs: list[Run]
    comparison: Comparison
    kl: dict[str, Interval]
    kl_over: dict[str, Interval]
    over_paper: dict[str, Interval]

    @property
    def grid(self) -> Grid:
        """Weights and seeds that its methods share."""
        return Grid.of(self.runs, list(self.comparison.view.columns.values()))


def read(folder: Path, advance: Callable[[str], None] = lambda name: None) -> dict[str, Condition]:
    """The conditions among :data:`CONDITIONS` that have runs in ``folder``, by folder name; ``advance`` is called for each of all."""
    found = {}
    for name in CONDITIONS:
        if list((folder / name).rglob("evaluation.parquet")):
            found[name] = _condition(name, folder / name)
        advance(name)
    return found


def table(condition: Condition) -> str:
    """Value, hypervolume, compliance and KL of every method, each with what it is over linear scalarisation's; value over the paper's."""
    headings, rows = methods(condition.comparison, FIGURES)
    rows = [
        [*row[:3], _over_paper(condition, row[0]), *row[3:], *_kl(condition, row[0])]
        for row in rows
        if row[0] in condition.kl
    ]
    return markdown(([*headings[:3], f"over {PAPER}", *headings[3:], "KL, nats", f"over {LINEAR}"], rows))


def conditions(found: Mapping[str, Condition], names: Sequence[str]) -> str:
    """The methods that all of ``names`` share, in each; against linear scalarisation in the same condition."""
    shared = set.intersection(*(set(found[name].kl) for name in names))
    rows, headings = [], [""]
    for name in names:
        headings, own = methods(found[name].comparison, FIGURES)
        rows += [[CONDITIONS[name], *row, *_kl(found[name], row[0])] for row in own if row[0] in shared]
    return markdown((["condition", *headings, "KL, nats", f"over {LINEAR}"], rows))


def lost(found: Mapping[str, Condition], names: Sequence[str]) -> str:
    """What each method loses of its scalarised value where scores are noisy, and how much more or less than linear scalarisation."""
    values, cells = noise_values(found, names)
    rows = []
    for method in dict.fromkeys(method for _, method in cells):
        for name in [name for name in names if name != CLEAN]:
            own, clean = cells.index((name, method)), cells.index((CLEAN, method))
            loss = values.difference(own, clean)
            rows.append(
                [method, CONDITIONS[name], str(values.interval(own)), str(loss), _more(values, cells, name, method)]
            )
    return markdown(
        (["method", "condition", "scalarised value ↑", "over its own without noise", f"beyond {LINEAR}'s change"], rows)
    )


def noise_values(found: Mapping[str, Condition], names: Sequence[str]) -> tuple[Estimates, list[tuple[str, str]]]:
    """Scalarised value of each (condition, method) that all of ``names`` share, from the same resamples."""
    shared = [method for method in found[CLEAN].grid.methods if all(method in found[name].kl for name in names)]
    cells = [(name, method) for name in names for method in shared]
    return _values([(found[name].grid, method) for name, method in cells]), cells


def _values(cells: Sequence[tuple[Grid, str]]) -> Estimates:
    """Scalarised value of each method in its sweep, from the same resamples."""
    grid = cells[0][0]
    weights = np.array([[point[k] for k in grid.columns] for point in grid.weights])

    def figures(*means: Array) -> list[float]:
        return [float((weights * mean).sum(1).mean()) for mean in means]

    return confidence.bootstrap(figures, [grid.stack(method) for grid, method in cells])


def _more(values: Estimates, cells: Sequence[tuple[str, str]], name: str, method: str) -> str:
    """Change of ``method`` minus the change of linear scalarisation, paired."""
    if method == LINEAR or (CLEAN, LINEAR) not in cells:
        return "–"
    at = [cells.index(cell) for cell in ((name, method), (CLEAN, method), (name, LINEAR), (CLEAN, LINEAR))]
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    combined = Estimates(np.array([values.estimate[at] @ signs]), (values.draws[:, at] @ signs)[:, None])
    return str(combined.interval(0))


def _condition(name: str, folder: Path) -> Condition:
    evidence = gather(folder)
    found = evidence.comparisons[0]
    grid = Grid.of(evidence.runs, list(found.view.columns.values()))
    drawn = confidence.bootstrap(
        lambda *means: [float(mean.mean()) for mean in means], [_kls(grid, m) for m in grid.methods]
    )
    other = grid.methods.index(found.baseline) if found.baseline else 0
    own = {method: drawn.interval(i) for i, method in enumerate(grid.methods)}
    over = {method: drawn.difference(i, other) for i, method in enumerate(grid.methods)}
    values = _values([(grid, method) for method in grid.methods])
    paper = grid.methods.index(PAPER) if PAPER in grid.methods else None
    over_paper = {m: values.difference(i, paper) for i, m in enumerate(grid.methods) if paper is not None}
    return Condition(name, evidence.runs, found, own, over, over_paper)


def _kls(grid: Grid, method: str) -> Array:
    """KL of each response over the reference, nats, (seeds, points, prompts, 1)."""
    found = [
        [_kl_of(grid.runs_at[method, json.dumps(point, sort_keys=True), seed]) for point in grid.weights]
        for seed in grid.seeds
    ]
    return np.array(found)[..., None]


def _kl_of(run: Run) -> Array:
    values: Array = paired(run.frame, "aligned", [next(iter(run.weights))], "kl")[1][:, 0]
    return values


def _over_paper(condition: Condition, method: str) -> str:
    return str(condition.over_paper[method]) if condition.over_paper and method != PAPER else "–"


def _kl(condition: Condition, method: str) -> list[str]:
    over = "–" if method == condition.comparison.baseline else str(condition.kl_over[method])
    return [str(condition.kl[method]), over]
