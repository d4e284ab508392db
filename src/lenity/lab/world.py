"""The interface of the lab's worlds: exact values, advantages and gradients of K objectives, for W worlds at once. Nothing is sampled."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.errors import ConfigError
from lenity.rules import AdvantageRule, GradientRule, Rule, rectified
from lenity.rules.memory import Memory

Thetas = Float[Tensor, "W N"]
Weights = Float[Tensor, "W K"]
Values = Float[Tensor, "W K"]
Advantage = Float[Tensor, "W M C"]
SMALLEST_STD = 1e-8


@dataclass(frozen=True)
class Point:
    """The exact quantities of W policies, one per world; M is the number of samples (actions, quadrature nodes, state-actions).

    Args:
        values: J, (W, K).
        probabilities: of each sample under the policy, (W, M); over an episode, expected visits.
        advantages: A_k of each sample, (W, M, K), of mean 0.
        policy_gradient: sum over samples of probability x rectified x grad log pi, (W, C, N) from advantages (W, M, C).
    """

    values: Values
    probabilities: Float[Tensor, "W M"]
    advantages: Float[Tensor, "W M K"]
    policy_gradient: Callable[[Advantage], Tensor]

    @property
    def jacobian(self) -> Float[Tensor, "W K N"]:
        """The gradients of the objectives, one per row: grad J_k = E[A_k grad log pi]."""
        return self.policy_gradient(self.advantages)

    def standardised(self) -> Point:
        """The point with each objective's advantages scaled to standard deviation 1, as by ``ppo.normalise: per_objective``."""
        share = (self.probabilities / self.probabilities.sum(1, keepdim=True)).unsqueeze(-1)
        std = (share * self.advantages.square()).sum(1, keepdim=True).sqrt()
        scaled = torch.where(std > SMALLEST_STD, self.advantages / std.clamp(min=SMALLEST_STD), 0.0)
        return replace(self, advantages=scaled)


class Worlds(abc.ABC):
    """W worlds of one family and size, float64."""

    @abc.abstractmethod
    def at(self, theta: Thetas) -> Point:
        """The exact point of the policies with parameters ``theta``, (W, N)."""

    @abc.abstractmethod
    def attainable(self, weights: Weights) -> tuple[Float[Tensor, " W"], Float[Tensor, " W"]]:
        """The least and the greatest w . J that a policy of each world can have, (W,) each, as far as they are known."""


def update(rule: Rule, point: Point, weights: Weights, moving: Tensor | None = None) -> Thetas:
    """The direction of ``rule`` for each policy at its first step, (W, N), computed by the rule itself from the exact quantities.

    Args:
        rule: an ``AdvantageRule`` gives E[A~ grad log pi] (eq. 9), a ``GradientRule`` its direction for the Jacobian.
        point: the policies.
        weights: preference weights, (W, K).
        moving: worlds in which a gradient rule is asked, bool (W,); 0 in the others.

    Raises:
        ConfigError: the rule combines neither advantages nor gradients.
    """
    return step_of(rule, point, weights, rule.initial_memory([str(k) for k in range(weights.shape[1])]), moving)[0]


def step_of(
    rule: Rule, point: Point, weights: Weights, memory: Memory, moving: Tensor | None = None
) -> tuple[Thetas, Memory]:
    """The direction of the rule with its ``memory``, see :func:`update`, and the updated memory."""
    if isinstance(rule, AdvantageRule):
        shared = weights.unsqueeze(1)
        scale, memory = rule.step(point.advantages, shared, memory)
        combined = rectified(point.advantages, shared, scale)
        return point.policy_gradient(combined.unsqueeze(-1)).squeeze(1), memory
    if not isinstance(rule, GradientRule):
        raise ConfigError(
            f"rule {type(rule).__name__} combines neither advantages nor gradients.",
            "Derive it from AdvantageRule or GradientRule.",
        )
    jacobian = point.jacobian
    found = jacobian.new_zeros(len(jacobian), jacobian.shape[2])
    rows = range(len(jacobian)) if moving is None else moving.nonzero().flatten().tolist()
    for row in rows:
        combination, memory = rule.step(jacobian[row], weights[row], memory)
        found[row] = combination @ jacobian[row]
    return found, memory
