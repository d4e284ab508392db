"""Advantages without a critic: a response against the others of its prompt."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lenity.advantages.normalise import SMALLEST_STD


def group_advantages(
    rewards: Float[Tensor, "B T K"], mask: Bool[Tensor, "B T #K"], size: int
) -> Float[Tensor, "B T K"]:
    """Undiscounted returns, standardised within each group of ``size`` rows and given to every response token.

    GDPO, arXiv 2601.05242. An objective on which all responses of a prompt are equal gives 0 there. A response that an objective's mask
    leaves out is not one of its group for that objective.

    Args:
        rewards: of each token, (B, T, K); the responses to one prompt are ``size`` neighbouring rows.
        mask: True on the tokens that count, (B, T, K), or (B, T, 1) where these are the same for all objectives.
        size: responses a prompt.
    """
    returns = rewards.where(mask, 0.0).sum(1).reshape(-1, size, rewards.shape[2])
    counted = mask.any(1).reshape(-1, size, mask.shape[2])
    count = counted.sum(1, keepdim=True).clamp(min=1)
    centred = (returns - returns.sum(1, keepdim=True) / count).where(counted, 0.0)
    std = (centred.square().sum(1, keepdim=True) / count).sqrt()
    scores = torch.where(std > SMALLEST_STD, centred / std.clamp(min=SMALLEST_STD), torch.zeros_like(centred))
    return scores.flatten(0, 1).unsqueeze(1).where(mask, 0.0)
