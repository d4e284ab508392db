"""Small random worlds of each kind, and slow twins of what they compute: loops over samples, nothing of the lab's own."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from lenity.lab.bandit import Bandits
from lenity.lab.landscape import Landscapes
from lenity.lab.momdp import Processes


def bandit(seed, objectives=3, actions=4, worlds=2):
    """Bandits and logits."""
    random = np.random.default_rng(seed)
    return Bandits(_tensor(random.normal(size=(worlds, actions, objectives)))), _tensor(
        random.normal(size=(worlds, actions))
    )


def landscape(seed, objectives=3, bumps=5, worlds=2, nodes=20):
    """Landscapes and policy means."""
    random = np.random.default_rng(seed)
    worlds_ = Landscapes(
        _tensor(random.uniform(-2, 2, (worlds, bumps, 2))),
        _tensor(random.uniform(0.4, 0.8, (worlds, bumps))),
        _tensor(random.normal(size=(worlds, bumps, objectives))),
        nodes=nodes,
    )
    return worlds_, _tensor(random.uniform(-1.5, 1.5, (worlds, 2)))


def process(seed, objectives=2, states=3, actions=2, horizon=2, worlds=2):
    """Processes and logits."""
    random = np.random.default_rng(seed)
    transitions = random.dirichlet(np.full(states, 0.5), (worlds, states, actions))
    rewards = random.normal(size=(worlds, states, actions, objectives))
    start = random.dirichlet(np.ones(states), worlds)
    made = Processes(_tensor(transitions), _tensor(rewards), _tensor(start), horizon)
    return made, _tensor(random.normal(size=(worlds, horizon * states * actions)))


KINDS = {"bandit": bandit, "landscape": landscape, "process": process}


def value_of_plan(processes, world, plan):
    """J of the deterministic policy that takes ``plan[h][s]``, by enumeration of the paths."""
    transitions, rewards, start = (
        x[world].numpy() for x in (processes.transitions, processes.rewards, processes.start)
    )
    total = np.zeros(rewards.shape[-1])
    for path in itertools.product(range(len(start)), repeat=processes.horizon):
        chance, earned = start[path[0]], np.zeros(rewards.shape[-1])
        for h, state in enumerate(path):
            action = plan[h][state]
            earned = earned + rewards[state, action]
            if h + 1 < processes.horizon:
                chance *= transitions[state, action, path[h + 1]]
        total += chance * earned
    return total


def all_plans(processes):
    """Every deterministic policy, as actions by step and state."""
    _, horizon, states, actions = processes.shape
    rows = list(itertools.product(range(actions), repeat=states))
    return itertools.product(rows, repeat=horizon)


def _tensor(array):
    return torch.tensor(array, dtype=torch.float64)
