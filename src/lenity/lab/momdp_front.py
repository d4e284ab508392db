"""The exact front of a decision process, by dynamic programming over sets of value vectors.

Convex hull value iteration (Barrett and Narayanan 2008, ICML). Stochastic policies reach the mixtures of what deterministic
ones do, so only vectors that no mixture of others dominates are kept: the corners of the front, each the best for some
weights. Their number grows with states, steps and objectives; this is for small processes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from lenity.lab.momdp import Processes
from lenity.pareto.metrics import nondominated

Array = NDArray[np.float64]
TOLERANCE = 1e-9


def exact_front(processes: Processes, world: int = 0) -> Array:
    """The corners of the Pareto front of J, (n, K), sorted; between neighbours the front is flat."""
    transitions, rewards = processes.transitions[world].numpy(), processes.rewards[world].numpy()
    states, actions, objectives = rewards.shape
    sets = [np.zeros((1, objectives))] * states
    for _ in range(processes.horizon):
        sets = [
            _corners(np.concatenate([rewards[s, a] + _sum(transitions[s, a], sets) for a in range(actions)]))
            for s in range(states)
        ]
    return _sum(processes.start[world].numpy(), sets)


def _sum(chances: Array, sets: list[Array]) -> Array:
    """All sums over states s of chances[s] times a vector of sets[s], (n, K); each state's policy is chosen independently."""
    total = np.zeros((1, sets[0].shape[1]))
    for chance, choices in zip(chances, sets, strict=True):
        if chance > 0:
            total = _corners((total[:, None] + chance * choices[None]).reshape(-1, total.shape[1]))
    return total


def _corners(points: Array) -> Array:
    """``points`` without those that a mixture of the remaining points weakly dominates."""
    kept = np.unique(points[nondominated(points)], axis=0)
    row = 0
    while row < len(kept):
        others = np.delete(kept, row, axis=0)
        if len(others) and _reached(kept[row], others):
            kept = others
        else:
            row += 1
    return kept


def _reached(point: Array, others: Array) -> bool:
    """Whether a >= 0, sum 1, and slack s >= 0 exist with a @ others - s = point, by non-negative least squares."""
    size = len(point)
    ones = np.concatenate([np.ones(len(others)), np.zeros(size)])
    _, residual = nnls(np.vstack([np.hstack([others.T, -np.eye(size)]), ones]), np.append(point, 1.0))
    return bool(residual < TOLERANCE)
