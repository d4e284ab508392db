"""Methods side by side at the weights and seeds that they share, in one view: every figure with its interval, rewards, cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
from lenity.report.grid import Grid, check_prompts
from lenity.report.places import Block, blocks, of_methods, pairs, place

Array = NDArray[np.float64]
BASELINES = ("morlhf", "linear")
MAIN = ("scalarised value", "hypervolume")  # both: more is better


@dataclass(frozen=True)
class Summary:
    """One method's figures by name, and by how much they exceed the baseline's, paired; empty for the baseline itself."""

    method: str
    figures: dict[str, Interval]
    over: dict[str, Interval]
    cost: Cost


@dataclass(frozen=True)
class Point:
    """Raw rewards of one method at one of its weightings, mean over its seeds, by objective."""

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

    ``reference`` is the hypervolume's reference point by ``rule``, standardised; ``missing`` counts prompts left out because some
    response to them has no score, ``unasked`` those that the judge was not asked about; ``best`` is the hypervolume of the known best policies at the same weights.
    ``others`` are comparisons at places that fewer methods, or others, share; ``pairs`` those of every two methods that do not have
    the same places.
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
        """Each method of any of :attr:`all`, where it stands first."""
        found: dict[str, Summary] = {}
        for summary in (summary for one in self.all for summary in one.methods):
            found.setdefault(summary.method, summary)
        return list(found.values())

    @property
    def all(self) -> list[Comparison]:
        """This one and the others."""
        return [self, *self.others]


@dataclass(frozen=True)
class Pair:
    """By how much ``method`` exceeds ``baseline`` at the places that the two share; nothing where they share none."""

    method: str
    baseline: str
    weights: list[dict[str, float]]
    seeds: list[int]
    over: dict[str, Interval]


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
    columns, sets = list(view.columns.values()), of_methods(runs)
    check_prompts(runs, columns)
    grids = [Grid.of(runs, columns, block) for block in blocks(sets) or [Block((), (), ())]]
    point = _reference(grids, rule) if reference is None else np.asarray(reference, dtype=np.float64)
    found = [_compared(runs, view, grid, point=point, rule=rule, best=best, draws=draws) for grid in grids]
    apart = [_pair(Grid.of(runs, columns, block), view, point, draws) for block in pairs(sets)]
    return replace(found[0], others=found[1:], pairs=apart)


def _compared(
    runs: Sequence[Run], view: View, grid: Grid, *, point: Array, rule: protocol.Rule, best: Best | None, draws: int
) -> Comparison:
    """The methods of ``grid``."""
    objectives = list(view.columns)
    drawn = _figures(grid, point, objectives, draws) if grid.methods else None
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
    """The method that the others of ``methods`` are compared with.

    >>> against(["plc", "linear, clip 0.1", "soups:exact"]), against(["plc", "solo"])
    ('linear, clip 0.1', 'solo')
    """
    named = (method for name in BASELINES for method in methods if method == name or method.startswith(f"{name}, "))
    return next(named, methods[-1])


def _pair(grid: Grid, view: View, point: Array, draws: int) -> Pair:
    """The two methods of ``grid``."""
    baseline, objectives = against(grid.methods), list(view.columns)
    (method,) = (name for name in grid.methods if name != baseline)
    over = {}
    if grid.weights:
        drawn = _figures(grid, point, objectives, draws, MAIN)
        over = _intervals(drawn, grid.methods, method, baseline, names=MAIN)
    return Pair(method, baseline, grid.weights, grid.seeds, over)


def check(runs: Sequence[Run]) -> None:
    """Refuse runs that were not measured the same way."""
    known = {str(run.place): run.protocol for run in runs if run.protocol is not None}
    if known:
        merged(known)


def _reference(grids: Sequence[Grid], rule: protocol.Rule) -> Array:
    """For all of ``grids``, so that their hypervolumes compare."""
    if rule == "nadir":
        means = [grid.stack(method).mean(2).min((0, 1)) for grid in grids for method in grid.methods]
        lowest: Array = np.min(means, axis=0)
        return lowest
    fixed: Array = grids[0].start()[0, 0].mean(0) - protocol.MARGIN
    return fixed


def _figures(grid: Grid, point: Array, objectives: list[str], draws: int, names: Sequence[str] = ()) -> Drawn:
    """Figures of all methods from the same resamples, method by method; those of these names, all where there are none."""
    every = [measure for measure in measures(objectives) if not names or measure.name in names]
    share = np.array([[weights[name] for name in objectives] for weights in grid.weights])

    def figures(origin: Array, *means: Array) -> list[float]:
        found = fronts(dict(zip(grid.methods, means, strict=True)), share, origin[0], point)
        return [measure.value(front) for front in found.values() for measure in every]

    return confidence.bootstrap(figures, [grid.start(), *map(grid.stack, grid.methods)], draws)


def _intervals(
    drawn: Drawn, methods: list[str], method: str, baseline: str | None, *, names: Sequence[str]
) -> dict[str, Interval]:
    own = methods.index(method) * len(names)
    if baseline is None:
        return {name: drawn.interval(own + i) for i, name in enumerate(names)}
    other = methods.index(baseline) * len(names)
    return {name: drawn.difference(own + i, other + i) for i, name in enumerate(names)}


def _points(runs: Sequence[Run], grid: Grid, objectives: list[str]) -> list[Point]:
    """Every method at each of its weights, compared or not, over the prompts that are compared and for which it has all scores."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        groups.setdefault((run.method, place(run)[0]), []).append(run)
    found = []
    for method, text in dict.fromkeys((run.method, place(run)[0]) for run in runs):
        group = groups[method, text]
        raw = np.array([[run.scores(grid.columns, column="raw")] for run in group])  # (seeds, 1, prompts, K)
        known = grid.complete & np.isfinite(raw).all((0, 1, 3))
        if known.any():
            drawn = confidence.bootstrap(lambda means: means.flatten(), [raw[:, :, known]])
            rewards = {name: drawn.interval(k) for k, name in enumerate(objectives)}
            found.append(Point(method, group[0].weights, rewards))
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
