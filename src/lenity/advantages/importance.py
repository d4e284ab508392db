"""Truncated importance weights: what a token counts where an engine drew it with other probabilities than the trainer's.

An engine that computes with other kernels, or in other numbers, samples from q where the trainer has p for the same weights. An
average over its tokens of p/q times something is that under p, given what stands before the token; the cap trades a little of
that for a bounded variance.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lenity.rollout.batch import WithAdvantages


def importance_weights(
    logprobs: Float[Tensor, "B T"],
    engine_logprobs: Float[Tensor, "B T"],
    response_mask: Bool[Tensor, "B T"],
    cap: float,
) -> Float[Tensor, "B T"]:
    r""":math:`\min(\exp(\log p - \log q), cap)` per token, without gradient; 1 on padding.

    Ionides 2008, "Truncated Importance Sampling", J. Comput. Graph. Stat. 17(2).

    Args:
        logprobs: log p of the trainer, nats, (B, T).
        engine_logprobs: log q of the distribution that the token was drawn from, nats, (B, T).
        response_mask: True on real tokens, (B, T).
        cap: the greatest weight.
    """
    gap = (logprobs - engine_logprobs).where(response_mask, 0.0)
    return gap.detach().exp().clamp(max=cap)


def engine_gap(batch: WithAdvantages, cap: float) -> dict[str, float]:
    """How far the engine's log-probs are from the trainer's, over response tokens; nothing where they are the trainer's own.

    Args:
        batch: with advantages.
        cap: of the importance weights.
    """
    if batch.engine_logprobs is None or batch.importance is None:
        return {}
    mask = batch.response_mask
    gap, weights = (batch.logprobs - batch.engine_logprobs)[mask], batch.importance[mask]
    columns = torch.stack([gap.abs(), gap.expm1() - gap, weights, (weights >= cap).to(gap)])
    means = columns.sum(1) / mask.sum()
    names = ("engine_gap_mean", "engine_kl", "importance_mean", "importance_capped")
    return {"engine_gap_max": gap.abs().max().item()} | dict(zip(names, means.tolist(), strict=True))
