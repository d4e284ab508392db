"""Follows a rule uphill: theta <- theta + rate x direction, its leniency by the rule's own schedule."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lenity.lab.world import Point, Thetas, Weights, Worlds, step_of
from lenity.rules import GradientRule, Rule

Rate = Callable[[int], float]
Watch = Callable[[int, Thetas, Point, Tensor], None]  # sees step, iterate, point and direction before each step
STILL = 1e-10  # a gradient rule that moved a policy by less has stopped there


def constant(rate: float) -> Rate:
    """The same step size throughout."""
    return lambda step: rate


def robbins_monro(rate: float, delay: float = 50.0, power: float = 0.6) -> Rate:
    """Rate / (1 + t / delay)^power; with power in (1/2, 1] the steps sum to infinity and their squares do not."""
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
        rule: what turns K objectives into one direction; at step t it is ``rule.at(t / steps)``.
        weights: (W, K).
        start: (W, N).
        steps: how many.
        rate: step size by step.
        standardised: bring each objective's advantages to standard deviation 1 first, as the trainer does by default.
        watch: is shown each iterate.
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
