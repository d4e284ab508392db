"""Methods side by side over the same weights and seeds: scalarised value, hypervolume, rewards, cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenity.errors import ProtocolError
from lenity.evaluation.table import paired
from lenity.pareto import confidence, hypervolume
from lenity.pareto.confidence import Interval
from lenity.pareto.weights import label
from lenity.report.collect import Best, Run, measured
from lenity.run_folder import RunFolder

Array = NDArray[np.float64]
MARGIN = 1.0  # of the reference point below the reference policy's mean, in standard deviations
BASELINES = ("morlhf", "linear")


@dataclass(frozen=True)
class Cost:
    """What a method's runs took, one seed; ``runs`` trained, each leaves an adapter."""

    runs: float
    tokens: float
    reward_calls: float
    forward_passes: float
    backward_passes: float
    seconds: float


@dataclass(frozen=True)
class Summary:
    """One method. ``value`` is the mean over weights of sum_k w_k times the standardised reward of k; ``over`` are paired differences from the baseline."""

    method: str
    value: Interval
    volume: Interval
    value_over: Interval | None
    volume_over: Interval | None
    cost: Cost


@dataclass(frozen=True)
class Reward:
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
    """The methods that share most weights and seeds; others are left out."""

    objectives: list[str]
    reference: list[float]
    weights: list[dict[str, float]]
    seeds: list[int]
    prompts: int
    baseline: str | None
    methods: list[Summary]
    rewards: list[Reward]
    best: float | None


def compare(runs: Sequence[Run], best: Best | None = None, reference: Sequence[float] | None = None) -> Comparison:
    """Hypervolumes are of :func:`measured` objectives above ``reference``: by default the reference policy's mean minus ``MARGIN``.

    Raises:
        ProtocolError: runs were evaluated on different prompts, or have different reference scores.
    """
    objectives, trained = measured(runs), list(runs[0].weights)
    _same_protocol(runs, objectives)
    start = runs[0].scores(objectives, "reference")
    point = start.mean(0) - MARGIN if reference is None else np.asarray(reference, dtype=float)
    grid = _Grid.of(runs)
    by_method = {method: grid.stack(runs, method, objectives) for method in grid.methods}
    value_of = {method: grid.stack(runs, method, trained) for method in grid.methods}
    baseline = next((name for name in (*BASELINES, *reversed(grid.methods)) if name in grid.methods), None)
    share = np.array([[weights[name] for name in trained] for weights in grid.weights])

    def volume(front: Array) -> float:
        return hypervolume(front, point)

    def value(front: Array) -> float:
        return float((share * front).sum(1).mean())

    def over(figure: Callable[[Array], float], sets: dict[str, Array], method: str) -> Interval | None:
        if method == baseline:
            return None
        return confidence.of_fronts(lambda one, two: figure(one) - figure(two), [sets[method], sets[str(baseline)]])

    summaries = [
        Summary(
            method,
            confidence.of_fronts(value, [value_of[method]]),
            confidence.of_fronts(volume, [by_method[method]]),
            over(value, value_of, method),
            over(volume, by_method, method),
            cost([run for run in runs if run.method == method]),
        )
        for method in grid.methods
    ]
    return Comparison(
        objectives, point.tolist(), grid.weights, grid.seeds, len(start), baseline, summaries,
        grid.rewards(runs, objectives), _best_volume(runs[0], objectives, best, point),
    )  # fmt: skip


def cost(runs: Sequence[Run]) -> Cost:
    """Of the trainings behind ``runs``, each counted once, divided by the number of seeds."""
    folders: dict[Path, RunFolder] = {}
    for run in runs:
        own = RunFolder(run.path)
        for folder in [own] if run.metrics else [RunFolder(source) for source in _sources(run)]:
            folders[folder.path] = folder
    rows = [row for folder in folders.values() for row in folder.metrics()]
    found = {field.name: sum(float(row.get(field.name, 0)) for row in rows) for field in fields(Cost)[1:-1]}
    seconds = sum(sum(row.get("seconds", {}).values()) for row in rows)
    seeds = len({run.seed for run in runs})
    return Cost(
        **{name: total / seeds for name, total in found.items()}, runs=len(folders) / seeds, seconds=seconds / seeds
    )


def _sources(run: Run) -> tuple[str, ...]:
    from lenity.aggregation.base import RULES
    from lenity.config.base import parse_member

    sources: tuple[str, ...] = parse_member(run.config.get("method", "linear"), RULES, "name").sources
    return sources


@dataclass(frozen=True)
class _Grid:
    """Weights x seeds at which each of ``methods`` has a run."""

    methods: list[str]
    weights: list[dict[str, float]]
    seeds: list[int]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _Grid:
        """Methods with fewer than half of the most places are left out; the others are compared where all of them are."""
        places: dict[str, set[tuple[str, int]]] = {}
        for run in runs:
            places.setdefault(run.method, set()).add(_where(run))
        most = max(map(len, places.values()))
        methods = [method for method, found in places.items() if 2 * len(found) >= most]
        common = set.intersection(*(places[method] for method in methods))
        seeds = sorted({seed for _, seed in common})
        order = dict.fromkeys(_where(run)[0] for run in runs)
        weights = [json.loads(text) for text in order if seeds and all((text, seed) in common for seed in seeds)]
        return cls(methods if weights else [], weights, seeds)

    def stack(self, runs: Sequence[Run], method: str, objectives: list[str], column: str = "standardised") -> Array:
        """(seeds, points, prompts, K)."""
        found = {_where(run): run for run in runs if run.method == method}
        return np.array(
            [
                [
                    found[json.dumps(weights, sort_keys=True), seed].scores(objectives, column=column)
                    for weights in self.weights
                ]
                for seed in self.seeds
            ]
        )

    def rewards(self, runs: Sequence[Run], objectives: list[str]) -> list[Reward]:
        """A row a method and weighting."""
        rows = []
        for method in self.methods:
            raw = self.stack(runs, method, objectives, "raw")
            for at, weights in enumerate(self.weights):
                rewards = {
                    name: confidence.of_fronts(lambda mean: float(mean[0, 0]), [raw[:, at : at + 1, :, k : k + 1]])
                    for k, name in enumerate(objectives)
                }
                rows.append(Reward(method, weights, rewards))
        return rows


def _where(run: Run) -> tuple[str, int]:
    return json.dumps(run.weights, sort_keys=True), run.seed


def _same_protocol(runs: Sequence[Run], objectives: list[str]) -> None:
    ids, start = paired(runs[0].frame, "reference", objectives)
    for run in runs:
        others, scores = paired(run.frame, "reference", objectives)
        aligned = paired(run.frame, "aligned", objectives)[0]
        if others != ids or aligned != ids:
            raise ProtocolError(
                f"{run.path} was evaluated on other prompts than {runs[0].path}; evaluate both with the same settings."
            )
        if not np.allclose(scores, start):
            raise ProtocolError(
                f"{run.path} and {runs[0].path} differ in the reference policy's scores; they need one standardisation.json."
            )


def _best_volume(run: Run, objectives: list[str], best: Best | None, point: Array) -> float | None:
    """Volume of the exact front, brought to the standardised scale by the run's own constants."""
    if best is None or set(best.objectives) != set(objectives):
        return None
    constants = json.loads((run.path / "standardisation.json").read_text(encoding="utf-8"))
    mean, std = (np.array([constants[name][key] for name in objectives]) for key in ("mean", "std"))
    at_weights = best.at_weights[:, [best.objectives.index(name) for name in objectives]]
    return hypervolume((at_weights - mean) / std, point)
