"""The two losses of PPO (Schulman et al. 2017, arXiv 1707.06347, eq. 7; PLC eq. 10)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Scalar = Float[Tensor, ""]


def policy_loss(
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    response_mask: Bool[Tensor, "B T"],
    clip: float = 0.2,
    *,
    tokens: Tensor | int | None = None,
    importance: Float[Tensor, "B T"] | None = None,
) -> tuple[Scalar, Scalar]:
    r"""Minus the clipped surrogate :math:`E[\min(\rho_t A_t, \mathrm{clip}(\rho_t, 1 \pm \epsilon) A_t)]`.

    Args:
        logprobs: log-probs of the policy being trained, nats, (B, T).
        old_logprobs: log-probs of the policy that the batch was generated with, nats, (B, T).
        advantages: rectified advantages, (B, T).
        response_mask: True on real tokens, (B, T).
        clip: epsilon.
        tokens: number of tokens to average over, if this is a part of a larger batch; default: those of the mask.
        importance: importance weight of each token, without gradient, (B, T); default: all 1.

    Returns:
        The loss, and the fraction of tokens where the clip binds.
    """
    tokens = response_mask.sum().clamp(min=1) if tokens is None else tokens
    ratio = (logprobs - old_logprobs).where(response_mask, 0.0).exp()
    plain, bounded = ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages
    surrogate = torch.minimum(plain, bounded)
    if importance is not None:
        surrogate = surrogate * importance
    loss = -surrogate.where(response_mask, 0.0).sum() / tokens
    binds = (bounded < plain) & response_mask
    return loss, binds.sum() / tokens


def value_loss(
    values: Float[Tensor, "B T K"],
    old_values: Float[Tensor, "B T K"],
    returns: Float[Tensor, "B T K"],
    mask: Bool[Tensor, "B T"] | Bool[Tensor, "B T K"],
    clip: float | None = 0.2,
    *,
    tokens: Tensor | int | None = None,
) -> tuple[Scalar, Scalar]:
    r""":math:`\frac12 \max((V - R)^2, (\mathrm{clip}(V, V_{old} \pm \epsilon) - R)^2)`, averaged over tokens and heads.

    A (token, head) pair outside the mask counts as an error of 0, so that the weight of the other pairs does not change.

    Args:
        values: V of the critic being trained, (B, T, K).
        old_values: V when the batch was generated, (B, T, K).
        returns: R, (B, T, K).
        mask: True on real tokens, (B, T), or on those that each head is trained on, (B, T, K).
        clip: epsilon; None for the plain squared error.
        tokens: number of tokens to average over; default: those in the mask of any head.

    Returns:
        The loss, and the fraction of values where the clipped error is the larger.
    """
    real, heads = mask.reshape(*mask.shape[:2], -1), values.shape[-1]
    tokens = real.any(-1).sum().clamp(min=1) if tokens is None else tokens
    error = (values - returns).square()
    near = values if clip is None else old_values + (values - old_values).clamp(-clip, clip)
    clipped = (near - returns).square()
    loss = 0.5 * torch.maximum(error, clipped).where(real, 0.0).sum() / (tokens * heads)
    return loss, ((clipped > error) & real).sum() / (tokens * heads)
