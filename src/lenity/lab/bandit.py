"""Multi-objective bandits under a softmax policy: pi = softmax(theta), J_k = sum_a pi_a r_ka."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.lab.world import Advantage, Point, Thetas, Weights, Worlds

TRADE_OFF = ((1.0, 0.0), (0.0, 1.0), (0.6, 0.6))
"""The rewards of two extremes and a compromise; at equal weights, w . J is .6 for the compromise and .5 for the extremes."""


class Bandits(Worlds):
    """W bandits.

    Args:
        rewards: rewards of each action, (W, A, K).
    """

    def __init__(self, rewards: Float[Tensor, "W A K"]) -> None:
        self.rewards = rewards

    def at(self, theta: Thetas) -> Point:
        """The exact point of the policies; one sample per action, A_k = r_k - J_k."""
        policy = theta.softmax(-1)
        values = (policy.unsqueeze(-1) * self.rewards).sum(1)

        def policy_gradient(advantage: Advantage) -> Tensor:
            centred = advantage - (policy.unsqueeze(-1) * advantage).sum(1, keepdim=True)
            return (policy.unsqueeze(-1) * centred).transpose(1, 2)

        return Point(values, policy, self.rewards - values.unsqueeze(1), policy_gradient)

    def attainable(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """The least and the greatest w . J, (W,) each: those of the worst and the best action."""
        scalar = (self.rewards * weights.unsqueeze(1)).sum(-1)
        return scalar.amin(1), scalar.amax(1)


def trade_off() -> Bandits:
    """One bandit with the actions ``TRADE_OFF``."""
    return Bandits(torch.tensor([TRADE_OFF], dtype=torch.float64))
