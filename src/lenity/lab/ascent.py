"""Gradient ascent with a rule: theta <- theta + rate x direction, with leniency by the rule's own schedule."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lenity.lab.world import Point, Thetas, Weights, Worlds, step_of
from lenity.rules import GradientRule, Rule

Rate = Callable[[int], float]
Watch = Callable[
    [int, Thetas, Point, Tensor], None
]  # called before each step with step, parameters, point and direction
STILL = 1e-10  # a policy that a gradient rule moves by less has converged


def constant(rate: float) -> Rate:
    """The schedule with the same step size at all steps."""
    return lambda step: rate


def robbins_monro(rate: float, delay: float = 50.0, power: float = 0.6) -> Rate:
    """The schedule rate / (1 + t / delay)^power; with power in (1/2, 1], the sum of steps diverges and that of their squares converges."""
    return lambda step: rate / (1 + step / delay) ** power


@torch.no_grad()
def ascend(
    worlds: Worlds,
    rule: Rule,
    weights: Weights,
    start: Thetas,
    *,
    steps: int,
    rate: Rate,
    standardised: bool = False,
    watch: Watch | None = None,
) -> Thetas:
    """The parameters (W, N) after ``steps`` steps from ``start``.

    Args:
        worlds: W worlds.
        rule: combines K objectives into one direction; at step t it is ``rule.at(t / steps)``.
        weights: preference weights, (W, K).
        start: initial parameters, (W, N).
        steps: number of steps.
        rate: step size as a function of the step.
        standardised: first scale each objective's advantages to standard deviation 1, as the trainer does by default.
        watch: called before each step.
    """
    theta = start
    moving = torch.ones(len(start), dtype=torch.bool)
    memory = rule.initial_memory([str(k) for k in range(weights.shape[1])])
    for step in range(steps):
        point = worlds.at(theta)
        if standardised:
            point = point.standardised()
        seen = moving if isinstance(rule, GradientRule) else None
        direction, memory = step_of(rule.at(step / steps), point, weights, memory, seen)
        if watch:
            watch(step, theta, point, direction)
        moving = direction.abs().amax(1) > STILL
        theta = theta + rate(step) * direction
    return theta
