"""Normalisation of advantages over the response tokens of the whole batch, which every process holds."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lenity.estimators.group import SMALLEST_STD


def normalise(
    advantages: Float[Tensor, "B T *K"],
    mask: Bool[Tensor, "B T *#K"],
    mode: Literal["per_objective", "scale_only", "none"] = "per_objective",
) -> Float[Tensor, "B T *K"]:
    """The advantages at a common scale, 0 outside the mask; an objective whose deviation is 0 becomes 0.

    Args:
        advantages: (B, T, K), or (B, T) for the rectified advantage.
        mask: True on the tokens to use, (B, T), or (B, T, K) if they differ by objective.
        mode: ``per_objective`` subtracts the mean and divides by the standard deviation; ``scale_only`` divides by the
            root mean square, which keeps signs; ``none`` changes nothing.
    """
    real = mask.reshape(mask.shape + (1,) * (advantages.dim() - mask.dim()))
    advantages = advantages.where(real, 0.0)
    if mode == "none":
        return advantages
    count = mask.sum((0, 1)).to(advantages.dtype).clamp(min=1)
    mean = advantages.sum((0, 1)) / count if mode == "per_objective" else advantages.new_zeros(())
    centred = (advantages - mean).where(real, 0.0)
    std = (centred.square().sum((0, 1)) / count).sqrt()
    return torch.where(std > SMALLEST_STD, centred / std.clamp(min=SMALLEST_STD), torch.zeros_like(centred))
