"""Policies as points: the mean reward of each method at each weighting, with its interval and covariance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenity.pareto.confidence import Interval, bounds, resampled
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence
from lenity.report.scores import Scale, Scores, complete

Array = NDArray[np.float64]
REFERENCE = "reference policy"


@dataclass(frozen=True)
class Spot:
    """One method at one weighting in one view; ``runs`` are the positions of its runs in the evidence, one per seed.

    ``mean``, ``low`` and ``high`` are (K,), ``covariance`` is that of the mean over resamples, (K, K), ``each`` holds the seeds' means,
    (seeds, K), and ``gain`` the difference from the reference policy, paired by prompt.
    """

    method: str
    weights: dict[str, float]
    runs: list[int]
    seeds: list[int]
    mean: Array
    low: Array
    high: Array
    covariance: Array
    each: Array
    gain: list[Interval]

    def interval(self, k: int) -> Interval:
        """The mean of objective ``k`` with its interval."""
        return Interval(float(self.mean[k]), float(self.low[k]), float(self.high[k]))


def spots(evidence: Evidence, comparison: Comparison, scores: Scores, scale: Scale = "raw") -> list[Spot]:
    """One spot per method and weighting of a view, over its seeds; also of those that are not compared."""
    columns, groups = list(comparison.view.columns.values()), grouped(evidence)
    kept = complete(evidence.runs, comparison, scores)
    start = scores.start(columns, scale)
    result = []
    for (method, weights), places in groups.items():
        stacked = scores.stack(places, columns, scale)
        known = kept & np.isfinite(stacked).all((0, 2))
        if known.any():
            seeds = [evidence.runs[place].seed for place in places]
            result.append(_spot(method, json.loads(weights), (places, seeds), stacked[:, known], start[known]))
    return result


def start(evidence: Evidence, comparison: Comparison, scores: Scores, scale: Scale = "raw") -> Spot:
    """The spot of the reference policy."""
    known = complete(evidence.runs, comparison, scores)
    values = scores.start(list(comparison.view.columns.values()), scale)[known]
    return _spot(REFERENCE, {}, ([], []), values[None], values)


def grouped(evidence: Evidence) -> dict[tuple[str, str], list[int]]:
    """Positions of the runs, by method and weights, in order of seeds."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, run in enumerate(evidence.runs):
        groups.setdefault((run.method, json.dumps(run.weights)), []).append(place)
    return {key: sorted(places, key=lambda place: evidence.runs[place].seed) for key, places in groups.items()}


def _spot(
    method: str, weights: dict[str, float], who: tuple[list[int], list[int]], values: Array, start: Array
) -> Spot:
    both = np.concatenate([values, values - start], axis=-1)
    count, drawn = values.shape[-1], resampled(both)
    low, high = bounds(drawn)
    mean = both.mean((0, 1))
    gains: Sequence[Interval] = [Interval(*map(float, row)) for row in zip(mean, low, high, strict=True)][count:]
    covariance = np.atleast_2d(np.cov(drawn[:, :count], rowvar=False))
    runs, seeds = who
    return Spot(
        method, weights, runs, seeds, mean[:count], low[:count], high[:count], covariance, values.mean(1), list(gains)
    )
