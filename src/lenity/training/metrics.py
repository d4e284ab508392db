"""The metrics of one iteration, computed from its whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lenity.advantages.conflict import conflict
from lenity.config.objectives import Objectives
from lenity.rollout.batch import WithAdvantages


def measure(batch: WithAdvantages, entropy: Tensor, objectives: Objectives) -> dict[str, Any]:
    """The metrics row: means over responses or response tokens, per objective over those that it scored; docs/metrics.md has the names.

    Args:
        batch: the batch, with advantages.
        entropy: the policy's entropy at each token, nats, (B, T).
        objectives: names of the objectives; the weights are taken from each row of the batch.
    """
    mask = batch.response_mask
    weights = batch.weights.unsqueeze(1)
    scored, valid_tokens = batch.scored, batch.valid_tokens[mask]
    responses, tokens = float(len(batch)), mask.sum().float()

    def per_response(values: Tensor) -> Tensor:
        return values.float().sum(0) / responses

    def per_score(values: Tensor) -> Tensor:
        return values.where(scored, 0.0).sum(0) / scored.sum(0).float()

    def per_token(values: Tensor) -> Tensor:
        return values[mask].float().sum(0) / tokens

    def per_valid_token(values: Tensor) -> Tensor:
        return values[mask].where(valid_tokens, 0.0).sum(0) / valid_tokens.sum(0).float()

    exact = batch.raw.double()  # so that equal scores have a deviation of exactly 0
    kl = (batch.logprobs - batch.reference_logprobs).where(mask, 0.0).sum(1)
    weighted = weights * batch.advantages
    losing = (batch.advantages < 0) & mask.unsqueeze(-1)  # where the gate acts
    others = (weighted.sum(-1, keepdim=True) - weighted).where(losing, 0.0)
    critic = {}
    if batch.returns is not None and batch.values is not None:
        critic["explained_variance"] = objectives.named(_explained(batch.returns, batch.values, per_valid_token))
    return {
        "reward": objectives.named(per_score(batch.raw)),
        "reward_std": objectives.named(per_score((exact - per_score(exact)).square()).sqrt()),
        "standardised": objectives.named(per_score(batch.standardised)),
        "unscored": objectives.named((~scored).sum(0)),
        "kl": per_response(kl).item(),
        "entropy": per_token(entropy).item(),
        "conflict_rate": per_token(conflict(batch.advantages, weights)).item(),
        "objective_scale_mean": objectives.named(per_valid_token(batch.objective_scale)),
        "surplus": objectives.named(others.sum((0, 1)) / losing.sum((0, 1)).float().clamp(min=1)),
        **critic,
        "response_length": per_response(mask.sum(1)).item(),
        "truncated_fraction": per_response(~batch.finished).item(),
        "tokens": int(tokens.item()),
        "reward_calls": len(batch) * len(objectives),
    }


def _explained(returns: Tensor, values: Tensor, per_token: Any) -> Tensor:
    """The explained variance 1 - Var(R - V) / Var(R) per head; 0 where the returns do not vary."""
    residual = returns - values

    def variance(values: Tensor) -> Tensor:
        mean_square: Tensor = per_token((values - per_token(values)).square())
        return mean_square

    spread = variance(returns)
    return torch.where(spread > 0, 1 - variance(residual) / spread.clamp(min=1e-12), torch.zeros_like(spread))
