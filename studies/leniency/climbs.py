"""Ways to follow a rule uphill: all the way, with the best policy kept, or lenient only where linear scalarisation has stalled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.lab.ascent import ascend, constant
from lenity.lab.families import Problem
from lenity.lab.world import Point, Thetas, step_of, update
from lenity.rules import Linear, Rule

KEPT_FROM = 0.5  # fraction of the run; linear scalarisation has settled by then in all but few worlds


@dataclass(frozen=True)
class Pace:
    """How many steps of what size, and whether advantages are standardised as the trainer does by default."""

    steps: int
    rate: float
    standardised: bool = False


Climb = Callable[[Problem, Rule, Pace], Float[Tensor, " W"]]


def scalarised(problem: Problem, theta: Thetas) -> Float[Tensor, " W"]:
    """The scalarised values w . J."""
    return (problem.worlds.at(theta).values * problem.weights).sum(1)


def plain(problem: Problem, rule: Rule, pace: Pace) -> Float[Tensor, " W"]:
    """Values w . J at the end."""
    return scalarised(problem, _ascend(problem, rule, pace))


def kept(problem: Problem, rule: Rule, pace: Pace) -> Float[Tensor, " W"]:
    """Values w . J of the best policy since half of the run, which a trainer would keep by its training rewards."""
    watch = _Best(problem, round(KEPT_FROM * pace.steps))
    end = scalarised(problem, _ascend(problem, rule, pace, watch))
    return torch.maximum(end, watch.value)


def stalled(problem: Problem, rule: Rule, pace: Pace) -> Float[Tensor, " W"]:
    """Values w . J at the end, where each world's leniency grows as its linear gradient shrinks from the longest seen.

    A rectified advantage is linear in the leniency, so that share s of it moves along g + s (g_PLC - g).
    """
    memory = rule.initial_memory([str(k) for k in range(problem.weights.shape[1])])
    theta, longest = problem.start, torch.zeros(len(problem.start), 1, dtype=problem.start.dtype)
    for step in range(pace.steps):
        point = problem.worlds.at(theta)
        point = point.standardised() if pace.standardised else point
        linear = update(Linear(), point, problem.weights)
        lenient, memory = step_of(rule.at(step / pace.steps), point, problem.weights, memory)
        length = linear.norm(dim=1, keepdim=True)
        longest = torch.maximum(longest, length)
        theta = theta + pace.rate * (linear + (1 - length / longest.clamp(min=1e-300)) * (lenient - linear))
    return scalarised(problem, theta)


CLIMBS: dict[str, Climb] = {"plain": plain, "kept": kept, "stalled": stalled}


class _Best:
    """The greatest w . J among the iterates from step ``first`` on, (W,)."""

    def __init__(self, problem: Problem, first: int) -> None:
        self.weights, self.first = problem.weights, first
        self.value = problem.start.new_full((len(problem.start),), -torch.inf)

    def __call__(self, step: int, theta: Tensor, point: Point, direction: Tensor) -> None:
        if step >= self.first:
            self.value = torch.maximum(self.value, (point.values * self.weights).sum(1))


def _ascend(problem: Problem, rule: Rule, pace: Pace, watch: _Best | None = None) -> Thetas:
    return ascend(
        problem.worlds, rule, problem.weights, problem.start, steps=pace.steps, rate=constant(pace.rate),
        standardised=pace.standardised, watch=watch,
    )  # fmt: skip
