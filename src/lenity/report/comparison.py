"""Methods side by side over the same weights and seeds, in one view: every figure with its interval, rewards, cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenity.evaluation import protocol
from lenity.evaluation.folder import merged
from lenity.pareto import confidence
from lenity.pareto.confidence import Drawn, Interval
from lenity.pareto.measures import fronts, measures
from lenity.pareto.metrics import hypervolume
from lenity.pareto.weights import label
from lenity.report.collect import Best, Run, View
from lenity.report.cost import Cost, cost
from lenity.report.grid import Grid

Array = NDArray[np.float64]
BASELINES = ("morlhf", "linear")


@dataclass(frozen=True)
class Summary:
    """One method's figures by name, and by how much they exceed the baseline's, paired; empty for the baseline itself."""

    method: str
    figures: dict[str, Interval]
    over: dict[str, Interval]
    cost: Cost


@dataclass(frozen=True)
class Point:
    """Raw rewards of one method at one weighting, mean over seeds, by objective."""

    method: str
    weights: dict[str, float]
    rewards: dict[str, Interval]

    @property
    def name(self) -> str:
        """Method and weights."""
        return f"{self.method} · {label(self.weights).replace('_', ' ')}"


@dataclass(frozen=True)
class Comparison:
    """The methods that share most weights and seeds; others are left out.

    ``reference`` is the hypervolume's reference point by ``rule``, standardised; ``missing`` counts prompts left out because some
    response to them has no score, ``unasked`` those that the judge was not asked about; ``best`` is the hypervolume of the known best policies at the same weights.
    """

    view: View
    objectives: list[str]
    rule: protocol.Rule
    reference: list[float]
    weights: list[dict[str, float]]
    seeds: list[int]
    prompts: int
    missing: int
    unasked: int
    baseline: str | None
    methods: list[Summary]
    points: list[Point]
    start: dict[str, Interval]
    best: float | None


def compare(
    runs: Sequence[Run], view: View, best: Best | None = None, *, rule: protocol.Rule = "fixed",
    reference: Sequence[float] | None = None, draws: int = 1000,
) -> Comparison:  # fmt: skip
    """Every figure of :func:`lenity.pareto.measures.measures` for each method.

    Args:
        runs: evaluated.
        view: which scores.
        best: a known best front.
        rule: of the reference point where none is given: ``fixed``, the reference policy's mean minus the margin, or ``nadir``, the
            lowest mean of any run in each objective, which rewards a comparison with bad runs (the paper's).
        reference: the point itself, (K,).
        draws: bootstrap resamples.

    Raises:
        ProtocolError: runs were measured differently; the message names the field.
    """
    check(runs)
    grid = Grid.of(runs, list(view.columns.values()))
    sets = {method: grid.stack(method) for method in grid.methods}
    start = grid.start()
    point = _reference(sets, start, rule) if reference is None else np.asarray(reference, dtype=np.float64)
    objectives = list(view.columns)
    share = np.array([[weights[name] for name in objectives] for weights in grid.weights])
    drawn = _figures(sets, share=share, start=start, point=point, objectives=objectives, draws=draws) if sets else None
    baseline = next((name for name in (*BASELINES, *reversed(grid.methods)) if name in grid.methods), None)
    summaries = [
        Summary(
            method, _intervals(drawn, grid.methods, method, None, objectives),
            _intervals(drawn, grid.methods, method, baseline, objectives) if method != baseline else {},
            cost([run for run in runs if run.method == method], runs),
        )
        for method in grid.methods
        if drawn is not None
    ]  # fmt: skip
    raw = grid.start("raw")
    return Comparison(
        view, objectives, rule, point.tolist(), grid.weights, grid.seeds, grid.prompts, grid.missing, grid.unasked, baseline, summaries,
        _points(grid, objectives), {name: confidence.mean(raw[0, 0, :, k]) for k, name in enumerate(objectives)},
        _best_volume(runs[0], view, best, point, grid.weights),
    )  # fmt: skip


def check(runs: Sequence[Run]) -> None:
    """Refuse runs that were not measured the same way."""
    known = {str(run.path): run.protocol for run in runs if run.protocol is not None}
    if known:
        merged(known)


def _reference(sets: dict[str, Array], start: Array, rule: protocol.Rule) -> Array:
    if rule == "nadir":
        lowest: Array = np.min([found.mean(2).min((0, 1)) for found in sets.values()], axis=0)
        return lowest
    fixed: Array = start[0, 0].mean(0) - protocol.MARGIN
    return fixed


def _figures(
    sets: dict[str, Array], *, share: Array, start: Array, point: Array, objectives: list[str], draws: int
) -> Drawn:
    """All figures of all methods from the same resamples, method by method."""
    every = measures(objectives)

    def figures(origin: Array, *means: Array) -> list[float]:
        found = fronts(dict(zip(sets, means, strict=True)), share, origin[0], point)
        return [measure.value(front) for front in found.values() for measure in every]

    return confidence.bootstrap(figures, [start, *sets.values()], draws)


def _intervals(
    drawn: Drawn, methods: list[str], method: str, baseline: str | None, objectives: list[str]
) -> dict[str, Interval]:
    names = [measure.name for measure in measures(objectives)]
    own = methods.index(method) * len(names)
    if baseline is None:
        return {name: drawn.interval(own + i) for i, name in enumerate(names)}
    other = methods.index(baseline) * len(names)
    return {name: drawn.difference(own + i, other + i) for i, name in enumerate(names)}


def _points(grid: Grid, objectives: list[str]) -> list[Point]:
    found = []
    for method in grid.methods:
        raw = grid.stack(method, "raw")
        drawn = confidence.bootstrap(lambda means: means.flatten(), [raw])
        for at, weights in enumerate(grid.weights):
            place = at * len(objectives)
            rewards = {name: drawn.interval(place + k) for k, name in enumerate(objectives)}
            found.append(Point(method, weights, rewards))
    return found


def _best_volume(
    run: Run, view: View, best: Best | None, point: Array, weights: Sequence[dict[str, float]]
) -> float | None:
    """Volume of the known best policies at ``weights``, brought to the standardised scale by the run's own constants."""
    columns = list(view.columns.values())
    if best is None or not set(columns) <= set(best.objectives) or any(each not in best.weights for each in weights):
        return None
    file = run.path / "standardisation.json"  # of training; rewards added later have their constants in the protocol
    constants = run.protocol.standardisation if run.protocol else json.loads(file.read_text(encoding="utf-8"))
    mean, std = (np.array([constants[name][key] for name in columns]) for key in ("mean", "std"))
    rows, parts = [best.weights.index(each) for each in weights], [best.objectives.index(name) for name in columns]
    at_weights = best.at_weights[np.ix_(rows, parts)]
    return hypervolume((at_weights - mean) / std, point)
