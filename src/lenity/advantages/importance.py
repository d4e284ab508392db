"""Truncated importance weights, for tokens that an engine sampled with other probabilities than the trainer computes.

With other kernels or another number format, an engine samples from q while the trainer computes p from the same weights. Averages
weighted by p/q are unbiased for p, given the preceding tokens; the cap adds a small bias and bounds the variance.
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
        engine_logprobs: log q of the distribution that the token was sampled from, nats, (B, T).
        response_mask: True on real tokens, (B, T).
        cap: largest weight.
    """
    gap = (logprobs - engine_logprobs).where(response_mask, 0.0)
    return gap.detach().exp().clamp(max=cap)


def engine_gap(batch: WithAdvantages, cap: float) -> dict[str, float]:
    """Metrics of the difference between the engine's and the trainer's log-probs over response tokens; none if the trainer generated.

    Args:
        batch: a batch with advantages.
        cap: largest importance weight.
    """
    if batch.engine_logprobs is None or batch.importance is None:
        return {}
    mask = batch.response_mask
    gap, weights = (batch.logprobs - batch.engine_logprobs)[mask], batch.importance[mask]
    columns = torch.stack([gap.abs(), gap.expm1() - gap, weights, (weights >= cap).to(gap)])
    means = columns.sum(1) / mask.sum()
    names = ("engine_gap_mean", "engine_kl", "importance_mean", "importance_capped")
    return {"engine_gap_max": gap.abs().max().item()} | dict(zip(names, means.tolist(), strict=True))
