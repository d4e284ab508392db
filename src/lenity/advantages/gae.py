"""Vectorised generalised advantage estimation."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

Tokens = Float[Tensor, "B T K"]


def gae(
    rewards: Tokens, values: Tokens, response_mask: Bool[Tensor, "B T"], gamma: float = 0.99, lam: float = 0.95
) -> tuple[Tokens, Tokens]:
    r"""Advantages and returns of each objective (Schulman et al. 2016, arXiv 1506.02438, eq. 11 and 16; PLC section 1).

    .. math::
        \delta^k_t = r^k_t + \gamma V^k_{t+1} - V^k_t, \quad A^k_t = \sum_l (\gamma\lambda)^l \delta^k_{t+l}, \quad R = A + V

    Args:
        rewards: r, (B, T, K).
        values: V before each token, (B, T, K); the value after the last token is 0.
        response_mask: True on real tokens, which come before the padding, (B, T).
        gamma: discount.
        lam: lambda.

    Returns:
        Advantages and returns, (B, T, K) each, 0 on padding.
    """
    real = response_mask.unsqueeze(-1)
    rewards, values = rewards.where(real, 0.0), values.where(real, 0.0)
    advantages = rewards.new_zeros(rewards.shape)
    advantage_after = value_after = rewards.new_zeros(rewards[:, 0].shape)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * value_after - values[:, t]
        advantage_after = delta + gamma * lam * advantage_after  # 0 on padding, where all three terms are 0
        advantages[:, t], value_after = advantage_after, values[:, t]
    return advantages, advantages + values
