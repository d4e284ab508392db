"""Small tabular decision processes with K rewards, finite horizon, softmax policy for each step and state. Exact by dynamic programming.

J_k is the undiscounted return over H steps; theta are the logits of pi_h(a | s), so N = M = H S A.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.lab.world import Advantage, Point, Thetas, Weights, Worlds


@dataclass(frozen=True)
class Processes(Worlds):
    """W processes.

    Args:
        transitions: P(s' | s, a), (W, S, A, S).
        rewards: r_k(s, a), (W, S, A, K).
        start: distribution of the first state, (W, S).
        horizon: H.
    """

    transitions: Float[Tensor, "W S A S"]
    rewards: Float[Tensor, "W S A K"]
    start: Float[Tensor, "W S"]
    horizon: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape (W, H, S, A) of the logits."""
        worlds, states, actions, _ = self.transitions.shape
        return worlds, self.horizon, states, actions

    def at(self, theta: Thetas) -> Point:
        """The exact point of the policies; one sample per (step, state, action) with its probability, A = Q - V."""
        policy = theta.reshape(self.shape).softmax(-1)
        values, advantages = self._backward(policy)
        visits = self._forward(policy).unsqueeze(-1) * policy

        def policy_gradient(advantage: Advantage) -> Tensor:
            mine = advantage.reshape(*self.shape, -1)
            centred = mine - (policy.unsqueeze(-1) * mine).sum(-2, keepdim=True)
            return (visits.unsqueeze(-1) * centred).flatten(1, 3).transpose(1, 2)

        return Point(values, visits.flatten(1), advantages.flatten(1, 3), policy_gradient)

    def attainable(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """The least and the greatest w . J, (W,) each, by backward induction on the scalarised reward."""
        scalar = (self.rewards * weights[:, None, None]).sum(-1)
        ends = []
        for choose in (torch.amin, torch.amax):
            value = scalar.new_zeros(scalar.shape[:2])
            for _ in range(self.horizon):
                value = choose(scalar + torch.einsum("wsat,wt->wsa", self.transitions, value), -1)
            ends.append((self.start * value).sum(1))
        return ends[0], ends[1]

    def _backward(self, policy: Tensor) -> tuple[Tensor, Tensor]:
        """J (W, K) and advantages (W, H, S, A, K)."""
        worlds, horizon, states, actions = self.shape
        flat = self.transitions.reshape(worlds, states * actions, states)
        value = self.rewards.new_zeros(worlds, states, self.rewards.shape[-1])
        advantages = []
        for h in reversed(range(horizon)):
            q = self.rewards + (flat @ value).reshape(self.rewards.shape)
            value = (policy[:, h].unsqueeze(-1) * q).sum(2)
            advantages.append(q - value.unsqueeze(2))
        return (self.start.unsqueeze(-1) * value).sum(1), torch.stack(advantages[::-1], 1)

    def _forward(self, policy: Tensor) -> Tensor:
        """The probability of each state at each step, (W, H, S)."""
        worlds, horizon, states, actions = self.shape
        flat = self.transitions.reshape(worlds, states * actions, states)
        found = [self.start]
        for h in range(horizon - 1):
            acted = (found[-1].unsqueeze(-1) * policy[:, h]).reshape(worlds, 1, states * actions)
            found.append((acted @ flat).squeeze(1))
        return torch.stack(found, 1)
