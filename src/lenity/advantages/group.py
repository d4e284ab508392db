"""Advantages without a critic: a response against the others of its prompt."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lenity.advantages.normalise import SMALLEST_STD


def group_advantages(
    rewards: Float[Tensor, "B T K"], response_mask: Bool[Tensor, "B T"], size: int
) -> Float[Tensor, "B T K"]:
    """Undiscounted returns, standardised within each group of ``size`` rows and given to every response token.

    GDPO, arXiv 2601.05242. An objective on which all responses of a prompt are equal gives 0 there.

    Args:
        rewards: of each token, (B, T, K); the responses to one prompt are ``size`` neighbouring rows.
        response_mask: True on real tokens, (B, T).
        size: responses a prompt.
    """
    real = response_mask.unsqueeze(-1)
    returns = rewards.where(real, 0.0).sum(1).reshape(-1, size, rewards.shape[2])
    centred = returns - returns.mean(1, keepdim=True)
    std = centred.square().mean(1, keepdim=True).sqrt()
    scores = torch.where(std > SMALLEST_STD, centred / std.clamp(min=SMALLEST_STD), torch.zeros_like(centred))
    return scores.flatten(0, 1).unsqueeze(1).where(real, 0.0)
