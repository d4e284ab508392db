"""The metrics by which fronts are compared, each with its better direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from lenity.errors import ProtocolError
from lenity.pareto import metrics

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Front:
    """One method's policies, and the references shared by all methods; rewards are standardised.

    Args:
        points: mean rewards of the policy at each of the weights, (n, K).
        weights: (n, K).
        start: mean rewards of the reference policy, (K,).
        reference: reference point of the hypervolume, (K,).
        union: reference front: the non-dominated points of all methods, (m, K).
        reached: best scalarised reward of any method's policies at each of the weights, (n,).
    """

    points: Array
    weights: Array
    start: Array
    reference: Array
    union: Array
    reached: Array


@dataclass(frozen=True)
class Measure:
    """A metric of a front; ``better`` is 1 where more is better, -1 where less is, 0 for neither."""

    name: str
    better: int
    value: Callable[[Front], float]


def measures(objectives: Sequence[str]) -> list[Measure]:
    """All metrics, in the order of tables.

    - scalarised value: mean over weights w of sum_k w_k r_k;
    - hypervolume (eq. 30), IGD (eq. 31) and IGD+ to the reference front, maximum spread (eq. 32) of all points and of the
      non-dominated ones;
    - compliance (eq. 33): mean cosine of w and the gain over the reference policy, over policies with a gain other than 0;
    - regret: largest difference, over the weights, between the best scalarised reward of all methods' policies and that of this one's;
    - non-dominated: number of distinct points of the method that none of its others dominates;
    - rank correlation of w_k and r_k, one per objective; NaN where either is constant.
    """
    return [
        Measure("scalarised value", 1, lambda f: float((f.weights * f.points).sum(1).mean())),
        Measure("hypervolume", 1, lambda f: metrics.hypervolume(f.points, f.reference)),
        Measure("IGD", -1, lambda f: metrics.igd(f.points, f.union)),
        Measure("IGD+", -1, lambda f: metrics.igd_plus(f.points, f.union)),
        Measure("spread", 0, lambda f: metrics.maximum_spread(f.points)),
        Measure("spread of the non-dominated", 0, lambda f: metrics.maximum_spread(_front(f.points))),
        Measure("compliance", 1, _compliance),
        Measure("regret", -1, lambda f: float((f.reached - _best(f.weights, f.points)).max())),
        Measure("non-dominated", 0, lambda f: float(len(np.unique(_front(f.points), axis=0)))),
        *(Measure(f"rank correlation, {name}", 1, _correlation(k)) for k, name in enumerate(objectives)),
    ]


def fronts(points: Mapping[str, Array], weights: Array, start: Array, reference: Array) -> dict[str, Front]:
    """One :class:`Front` per method, from its mean rewards (n, K); all share the weights (n, K).

    Raises:
        ProtocolError: a method's points are empty, not finite, or not of the weights' shape.
    """
    for method, means in points.items():
        if means.shape != weights.shape:
            raise ProtocolError(
                f"points of {method} have shape {means.shape} and the weights {weights.shape}.",
                "Give one point for each of the weights.",
            )
    together = np.concatenate(list(points.values()))
    union, reached = _front(together), _best(weights, together)
    return {method: Front(means, weights, start, reference, union, reached) for method, means in points.items()}


def _front(points: Array) -> Array:
    kept: Array = points[metrics.nondominated(points)]
    return kept


def _best(weights: Array, points: Array) -> Array:
    best: Array = (weights @ points.T).max(1)
    return best


def _compliance(front: Front) -> float:
    gains = front.points - front.start
    moved = np.linalg.norm(gains, axis=1) > 0
    return float(metrics.preference_compliance(front.weights[moved], gains[moved]).mean()) if moved.any() else np.nan


def _correlation(k: int) -> Callable[[Front], float]:
    """Spearman's rank correlation of w_k and r_k; ties share their mean rank."""

    def value(front: Front) -> float:
        pair = np.stack([rankdata(front.weights[:, k]), rankdata(front.points[:, k])])
        centred = pair - pair.mean(1, keepdims=True)
        lengths = np.linalg.norm(centred, axis=1)
        return float(centred[0] @ centred[1] / lengths.prod()) if lengths.all() else np.nan

    return value
