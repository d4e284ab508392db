"""Random worlds by seed. Rewards are of order 1, like standardised rewards.

Weights are drawn from Dirichlet(3, ..., 3), the start of each run with its world.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lenity.lab.bandit import Bandits
from lenity.lab.landscape import Landscapes
from lenity.lab.momdp import Processes
from lenity.lab.world import Worlds

Uniform = Callable[..., Tensor]


@dataclass(frozen=True)
class Problem:
    """Worlds with the preference weights (W, K) and the initial parameters (W, N) of one run in each."""

    worlds: Worlds
    weights: Tensor
    start: Tensor


@dataclass(frozen=True)
class Family:
    """A distribution of worlds, with the number of steps and the step size of gradient ascent on them.

    ``standardised_rate`` is the step size for advantages of standard deviation 1, whose gradients are longer on landscapes.
    """

    name: str
    make: Callable[[int, int, int], Problem]
    steps: int
    rate: float
    standardised_rate: float
    objectives: tuple[int, ...] = (2, 3, 6)


def bandits(count: int, objectives: int, seed: int) -> Problem:
    """Random bandits with ten actions; rewards and initial logits are standard normal."""
    random = _generator(seed)
    rewards = _normal(random, count, 10, objectives)
    return Problem(Bandits(rewards), _weights(random, count, objectives), _normal(random, count, 10))


def peaks(count: int, objectives: int, seed: int) -> Problem:
    """Random landscapes with two peaks and one pit per objective, uniform in [-2, 2]^2.

    Peaks are U(.5, 1) high, pits U(.3, .8) deep, all U(.4, .8) wide. Runs start anywhere in [-1.5, 1.5]^2.
    """
    random = _generator(seed)
    uniform = _uniform(random)
    centres = uniform(-2, 2, count, 3 * objectives, 2)
    owner = torch.eye(objectives, dtype=torch.float64).repeat_interleave(3, 0)
    heights = torch.stack(
        [uniform(0.5, 1, count, objectives), uniform(0.5, 1, count, objectives), -uniform(0.3, 0.8, count, objectives)],
        -1,
    ).flatten(1)
    worlds = Landscapes(centres, uniform(0.4, 0.8, count, 3 * objectives), heights.unsqueeze(-1) * owner)
    return Problem(worlds, _weights(random, count, objectives), uniform(-1.5, 1.5, count, 2))


def valleys(count: int, objectives: int, seed: int) -> Problem:
    """Random landscapes: a compromise peak at the origin, a better front at distance U(1.4, 2) in a random direction, a valley between.

    The compromise gives all objectives U(.1, .3), width .6. On the better front each objective has a peak of its own,
    U(.7, 1) high and U(.6, .9) wide, its centre normal around the front's with deviation .25. Half way, a bump U(.4, .6)
    wide takes U(.5, 1.2) from some objectives and gives U(.3, .8) to the others; both kinds exist. Runs start at the origin
    with deviation .2.
    """
    random = _generator(seed)
    uniform = _uniform(random)
    angle, distance = uniform(0, 2 * math.pi, count), uniform(1.4, 2, count)
    front = (distance * torch.stack([angle.cos(), angle.sin()])).T.unsqueeze(1)
    around = front + 0.25 * _normal(random, count, objectives, 2)
    centres = torch.cat([torch.zeros_like(front), front / 2, around], 1)
    widths = torch.cat(
        [torch.full_like(distance, 0.6).unsqueeze(1), uniform(0.4, 0.6, count, 1), uniform(0.6, 0.9, count, objectives)], 1
    )  # fmt: skip
    heights = torch.cat(
        [
            uniform(0.1, 0.3, count, 1, objectives),
            _valley(random, uniform, count, objectives).unsqueeze(1),
            torch.diag_embed(uniform(0.7, 1, count, objectives)),
        ],
        1,
    )
    weights = _weights(random, count, objectives)
    return Problem(Landscapes(centres, widths, heights), weights, 0.2 * _normal(random, count, 2))


def processes(count: int, objectives: int, seed: int) -> Problem:
    """Random decision processes with four states, three actions and four steps.

    Rewards and initial logits are standard normal; transition probabilities are drawn from Dirichlet(.3).
    """
    random = _generator(seed)
    states, actions, horizon = 4, 3, 4
    transitions = _dirichlet(random, 0.3, (count, states, actions, states))
    rewards = _normal(random, count, states, actions, objectives)
    start = torch.full((count, states), 1 / states, dtype=torch.float64)
    worlds = Processes(transitions, rewards, start, horizon)
    return Problem(worlds, _weights(random, count, objectives), _normal(random, count, horizon * states * actions))


FAMILIES = {
    family.name: family
    for family in (
        Family("bandits", bandits, 400, 8.0, 8.0),
        Family("peaks", peaks, 200, 0.4, 0.1),
        Family("valleys", valleys, 200, 0.4, 0.1),
        Family("processes", processes, 300, 8.0, 8.0, (2, 3)),
    )
}


def _valley(random: torch.Generator, uniform: Uniform, count: int, objectives: int) -> Tensor:
    """The height of the valley's bump for each objective, (W, K): at least one is negative and at least one positive."""
    order = torch.rand(count, objectives, generator=random).argsort(1)
    losers = torch.randint(1, max(objectives, 2), (count, 1), generator=random)
    return torch.where(order < losers, -uniform(0.5, 1.2, count, objectives), uniform(0.3, 0.8, count, objectives))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(random: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def _uniform(random: torch.Generator) -> Uniform:
    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=random, dtype=torch.float64)

    return draw


def _dirichlet(random: torch.Generator, concentration: float, shape: tuple[int, ...]) -> Tensor:
    share = torch._standard_gamma(torch.full(shape, concentration, dtype=torch.float64), generator=random)
    share = share.clamp(min=1e-12)
    return share / share.sum(-1, keepdim=True)


def _weights(random: torch.Generator, count: int, objectives: int) -> Tensor:
    return _dirichlet(random, 3.0, (count, objectives))
