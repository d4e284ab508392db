"""Methods compared at the weights and seeds that they share, in one view: metrics with intervals, mean rewards, cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lenity.evaluation import protocol
from lenity.evaluation.folder import merged
from lenity.pareto import confidence
from lenity.pareto.confidence import Estimates, Interval
from lenity.pareto.measures import fronts, measures
from lenity.pareto.metrics import hypervolume
from lenity.pareto.weights import label
from lenity.report.collect import Best, Run, View
from lenity.report.cost import Cost, cost
from lenity.report.grid import Grid, check_prompts
from lenity.report.places import Block, blocks, of_methods, pairs, place

Array = NDArray[np.float64]
BASELINES = ("morlhf", "linear")
MAIN = ("scalarised value", "hypervolume")  # for both, more is better


@dataclass(frozen=True)
class Summary:
    """One method's metrics by name, and ``over``, their paired differences from the baseline's; empty for the baseline itself."""

    method: str
    metrics: dict[str, Interval]
    over: dict[str, Interval]
    cost: Cost


@dataclass(frozen=True)
class Point:
    """Mean raw reward per objective of one method at one weighting, over its seeds."""

    method: str
    weights: dict[str, float]
    rewards: dict[str, Interval]

    @property
    def name(self) -> str:
        """Method and weights."""
        return f"{self.method} · {label(self.weights).replace('_', ' ')}"


@dataclass(frozen=True)
class Comparison:
    """Methods at the weights and seeds that they share.

    ``reference`` is the hypervolume's reference point by ``rule``, standardised. ``missing`` counts prompts left out because a
    response to them has no score, ``unasked`` those that the judge was not asked about. ``best`` is the hypervolume of the exact best
    policies at the same weights. ``others`` are comparisons at further weights and seeds, shared by fewer or other methods; ``pairs``
    compare every two methods whose weights and seeds differ.
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
    others: list[Comparison] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)

    @property
    def everyone(self) -> list[Summary]:
        """The summary of each method, from the first of :attr:`all` that includes it."""
        summaries: dict[str, Summary] = {}
        for summary in (summary for one in self.all for summary in one.methods):
            summaries.setdefault(summary.method, summary)
        return list(summaries.values())

    @property
    def all(self) -> list[Comparison]:
        """This comparison and ``others``."""
        return [self, *self.others]


@dataclass(frozen=True)
class Pair:
    """Paired differences of ``method`` from ``baseline`` at the weights and seeds that the two share; empty where they share none."""

    method: str
    baseline: str
    weights: list[dict[str, float]]
    seeds: list[int]
    over: dict[str, Interval]


def compare(
    runs: Sequence[Run], view: View, best: Best | None = None, *, rule: protocol.Rule = "fixed",
    reference: Sequence[float] | None = None, draws: int = 1000,
) -> Comparison:  # fmt: skip
    """All metrics of :func:`lenity.pareto.measures.measures` for each method.

    Args:
        runs: evaluated runs.
        view: which scores to compare.
        best: the exact best front, where it is known.
        rule: of the reference point where ``reference`` is None: ``fixed``, the reference policy's mean minus the margin, or ``nadir``,
            the paper's: the lowest mean of any run in each objective, which favours comparisons with bad runs.
        reference: the reference point, (K,).
        draws: number of bootstrap resamples.

    Raises:
        ProtocolError: runs have different protocols; the message names the field.
    """
    check(runs)
    columns, sets = list(view.columns.values()), of_methods(runs)
    check_prompts(runs, columns)
    grids = [Grid.of(runs, columns, block) for block in blocks(sets) or [Block((), (), ())]]
    point = _reference(grids, rule) if reference is None else np.asarray(reference, dtype=np.float64)
    compared = [_compared(runs, view, grid, point=point, rule=rule, best=best, draws=draws) for grid in grids]
    apart = [_pair(Grid.of(runs, columns, block), view, point, draws) for block in pairs(sets)]
    return replace(compared[0], others=compared[1:], pairs=apart)


def _compared(
    runs: Sequence[Run], view: View, grid: Grid, *, point: Array, rule: protocol.Rule, best: Best | None, draws: int
) -> Comparison:
    """The comparison of the methods of ``grid``."""
    objectives = list(view.columns)
    drawn = _metrics(grid, point, objectives, draws) if grid.methods else None
    baseline, every = (
        against(grid.methods) if grid.methods else None,
        [measure.name for measure in measures(objectives)],
    )
    summaries = [
        Summary(
            method, _intervals(drawn, grid.methods, method, None, names=every),
            _intervals(drawn, grid.methods, method, baseline, names=every) if method != baseline else {},
            cost([run for run in runs if run.method == method]),
        )
        for method in grid.methods
        if drawn is not None
    ]  # fmt: skip
    raw = grid.start("raw")
    return Comparison(
        view, objectives, rule, point.tolist(), grid.weights, grid.seeds, grid.prompts, grid.missing, grid.unasked, baseline, summaries,
        _points(runs, grid, objectives), {name: confidence.mean(raw[0, 0, :, k]) for k, name in enumerate(objectives)},
        _best_volume(runs[0], view, best, point, grid.weights),
    )  # fmt: skip


def against(methods: Sequence[str]) -> str:
    """The baseline of ``methods``: MORLHF, else linear scalarisation, else the last method.

    >>> against(["plc", "linear, clip 0.1", "soups:exact"]), against(["plc", "solo"])
    ('linear, clip 0.1', 'solo')
    """
    named = (method for name in BASELINES for method in methods if method == name or method.startswith(f"{name}, "))
    return next(named, methods[-1])


def _pair(grid: Grid, view: View, point: Array, draws: int) -> Pair:
    """The comparison of the two methods of ``grid``."""
    baseline, objectives = against(grid.methods), list(view.columns)
    (method,) = (name for name in grid.methods if name != baseline)
    over = {}
    if grid.weights:
        drawn = _metrics(grid, point, objectives, draws, MAIN)
        over = _intervals(drawn, grid.methods, method, baseline, names=MAIN)
    return Pair(method, baseline, grid.weights, grid.seeds, over)


def check(runs: Sequence[Run]) -> None:
    """Raise ProtocolError where the protocols of runs differ."""
    protocols = {str(run.place): run.protocol for run in runs if run.protocol is not None}
    if protocols:
        merged(protocols)


def _reference(grids: Sequence[Grid], rule: protocol.Rule) -> Array:
    """The reference point shared by all ``grids``, (K,), so that their hypervolumes can be compared."""
    if rule == "nadir":
        means = [grid.stack(method).mean(2).min((0, 1)) for grid in grids for method in grid.methods]
        lowest: Array = np.min(means, axis=0)
        return lowest
    fixed: Array = grids[0].start()[0, 0].mean(0) - protocol.MARGIN
    return fixed


def _metrics(grid: Grid, point: Array, objectives: list[str], draws: int, names: Sequence[str] = ()) -> Estimates:
    """The metrics ``names`` (default: all) of every method, method by method, from the same resamples."""
    every = [measure for measure in measures(objectives) if not names or measure.name in names]
    share = np.array([[weights[name] for name in objectives] for weights in grid.weights])

    def metrics(origin: Array, *means: Array) -> list[float]:
        by_method = fronts(dict(zip(grid.methods, means, strict=True)), share, origin[0], point)
        return [measure.value(front) for front in by_method.values() for measure in every]

    return confidence.bootstrap(metrics, [grid.start(), *map(grid.stack, grid.methods)], draws)


def _intervals(
    drawn: Estimates, methods: list[str], method: str, baseline: str | None, *, names: Sequence[str]
) -> dict[str, Interval]:
    own = methods.index(method) * len(names)
    if baseline is None:
        return {name: drawn.interval(own + i) for i, name in enumerate(names)}
    other = methods.index(baseline) * len(names)
    return {name: drawn.difference(own + i, other + i) for i, name in enumerate(names)}


def _points(runs: Sequence[Run], grid: Grid, objectives: list[str]) -> list[Point]:
    """Every method at each of its weights, compared or not, over the compared prompts for which it has all scores."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        groups.setdefault((run.method, place(run)[0]), []).append(run)
    result = []
    for method, text in dict.fromkeys((run.method, place(run)[0]) for run in runs):
        group = groups[method, text]
        raw = np.array([[run.scores(grid.columns, column="raw")] for run in group])  # (seeds, 1, prompts, K)
        known = grid.complete & np.isfinite(raw).all((0, 1, 3))
        if known.any():
            drawn = confidence.bootstrap(lambda means: means.flatten(), [raw[:, :, known]])
            rewards = {name: drawn.interval(k) for k, name in enumerate(objectives)}
            result.append(Point(method, group[0].weights, rewards))
    return result


def _best_volume(
    run: Run, view: View, best: Best | None, point: Array, weights: Sequence[dict[str, float]]
) -> float | None:
    """The hypervolume of the exact best policies at ``weights``, standardised by the run's constants; None where they are unknown."""
    columns = list(view.columns.values())
    if best is None or not set(columns) <= set(best.objectives) or any(each not in best.weights for each in weights):
        return None
    file = run.path / "standardisation.json"  # of training; constants of rewards added later are in the protocol
    constants = run.protocol.standardisation if run.protocol else json.loads(file.read_text(encoding="utf-8"))
    mean, std = (np.array([constants[name][key] for name in columns]) for key in ("mean", "std"))
    rows, parts = [best.weights.index(each) for each in weights], [best.objectives.index(name) for name in columns]
    at_weights = best.at_weights[np.ix_(rows, parts)]
    return hypervolume((at_weights - mean) / std, point)
