"""The exact front of a decision process, by dynamic programming over sets of value vectors (White 1982, JMAA 89).

All deterministic policies that may act on the step and the state; mixtures of them reach the convex hull. Sets grow with
the number of policies that are not dominated, so this is for small processes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lenity.lab.momdp import Processes
from lenity.pareto.metrics import nondominated

Array = NDArray[np.float64]
DIGITS = 12  # vectors equal to so many digits are one


def exact_front(processes: Processes, world: int = 0) -> Array:
    """The values J of the non-dominated deterministic policies, (n, K), sorted."""
    transitions, rewards = processes.transitions[world].numpy(), processes.rewards[world].numpy()
    states, actions, objectives = rewards.shape
    sets = [np.zeros((1, objectives))] * states
    for _ in range(processes.horizon):
        sets = [
            _prune(np.concatenate([rewards[s, a] + _sum(transitions[s, a], sets) for a in range(actions)]))
            for s in range(states)
        ]
    return _prune(_sum(processes.start[world].numpy(), sets))


def _sum(chances: Array, sets: list[Array]) -> Array:
    """Every sum over states s of chances[s] times a vector of sets[s]: each state's policy is chosen alone, (n, K)."""
    total = np.zeros((1, sets[0].shape[1]))
    for chance, choices in zip(chances, sets, strict=True):
        if chance > 0:
            total = _prune((total[:, None] + chance * choices[None]).reshape(-1, total.shape[1]))
    return total


def _prune(points: Array) -> Array:
    distinct = np.unique(points.round(DIGITS), axis=0)
    kept: Array = distinct[nondominated(distinct)]
    return kept
