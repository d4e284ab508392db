"""From scores to one advantage per token: per-token KL, values, the estimator, normalisation, the rule."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lenity.advantages.importance import importance_weights
from lenity.advantages.normalise import normalise
from lenity.config.sections import PPO
from lenity.distributed.processes import ALONE, Processes
from lenity.distributed.shares import round_robin
from lenity.estimators import Estimator
from lenity.rollout.batch import Scored, WithAdvantages
from lenity.rules import AdvantageRule, Linear, Rule, rectified
from lenity.rules.memory import NOTHING, Memory


def token_rewards(
    standardised: Float[Tensor, "B K"],
    logprobs: Float[Tensor, "B T"],
    reference_logprobs: Float[Tensor, "B T"],
    response_mask: Bool[Tensor, "B T"],
    beta: float,
) -> Float[Tensor, "B T K"]:
    r"""The rewards of each token, PLC section 1: :math:`r^k_t = -\beta (\log \pi - \log \pi_{ref})_t + 1[t = last] r_k(x, y)`, the same beta for all k.

    Args:
        standardised: r_k, (B, K).
        logprobs: log pi of each response token, nats, (B, T).
        reference_logprobs: log pi_ref, (B, T).
        response_mask: True on real tokens, (B, T).
        beta: KL penalty coefficient, per nat.
    """
    penalty = (-beta * (logprobs - reference_logprobs)).where(response_mask, 0.0)
    rewards = penalty.unsqueeze(-1).repeat(1, 1, standardised.shape[1])
    rows = torch.arange(len(rewards), device=rewards.device)
    rewards[rows, response_mask.sum(1) - 1] += standardised
    return rewards


@torch.no_grad()
def compute_advantages(
    scored: Scored,
    module: Any,
    *,
    rule: Rule,
    beta: float,
    estimator: Estimator,
    settings: PPO,
    memory: Memory = NOTHING,
    processes: Processes = ALONE,
) -> tuple[WithAdvantages, Float[Tensor, "B T"], Memory]:
    """The batch with one advantage per token: log-probs and values by the models, then estimator, normalisation and rule.

    Args:
        scored: the batch, with the preference weights of each row.
        module: the actor-critic; without a critic if the estimator needs none.
        rule: combines the advantages, (B, T) from (B, T, K).
        beta: KL penalty coefficient, per nat.
        estimator: turns the rewards of tokens into advantages, (B, T, K).
        settings: gamma, lambda, normalisation, mini-batch size, cap of the importance weights.
        memory: the rule's memory before the batch.
        processes: split the forward passes; each process has the whole batch before and after.

    Returns:
        The batch with advantages, the policy's entropy at each token, nats, and the rule's memory after the batch.
    """
    logprobs, entropy, values, reference = _evaluate(scored, module, settings.mini_batch_size, processes)
    mask = scored.response_mask
    rewards = token_rewards(scored.standardised, logprobs, reference, mask, beta)
    advantages, returns = estimator.estimate(rewards, values, scored.valid_tokens, settings)
    if not estimator.standardised:
        advantages = normalise(advantages, scored.valid_tokens, settings.normalise)
    weights = scored.weights.unsqueeze(1)
    if isinstance(rule, AdvantageRule):
        scale, memory = rule.step(advantages, weights, memory)
    else:  # a gradient rule combines gradients in the update; until then advantages are combined linearly, for the metrics
        scale = Linear().objective_scale(advantages, weights)
    combined = rectified(advantages, weights, scale)
    has_valid = scored.valid_tokens.any(-1)
    sampled_with = scored.engine_logprobs
    batch = WithAdvantages(
        **{field.name: getattr(scored, field.name) for field in fields(scored)},
        logprobs=logprobs, reference_logprobs=reference, values=values, returns=returns,
        advantages=advantages, objective_scale=scale,
        rectified=normalise(combined, has_valid, "per_objective" if settings.whiten else "none"),
        importance=None if sampled_with is None else importance_weights(logprobs, sampled_with, mask, settings.importance_cap),
    )  # fmt: skip
    return batch, entropy, memory


def _evaluate(
    scored: Scored, module: Any, size: int, processes: Processes
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Log-probs, entropy, values (None without a critic) and reference log-probs of the whole batch, computed in mini-batches."""
    module.eval()
    device, width = scored.response_mask.device, scored.response_mask.shape[1]
    order = scored.by_length(torch.arange(len(scored), device=device))
    columns: dict[str, list[Tensor]] = {}
    for rows in round_robin(order, processes.rank, processes.count, size):
        part = scored.select(rows)
        policy = module(**part.inputs, entropy=True)
        reference = module(**part.inputs, reference=True).logprobs
        outputs = {
            "logprobs": policy.logprobs,
            "entropy": policy.entropy,
            "values": policy.values,
            "reference": reference,
        }
        for name, value in outputs.items():
            if value is None:
                continue
            missing = width - value.shape[1]
            own_rows = value[: len(rows)]  # an empty share of the batch is one row without a response
            padded = torch.nn.functional.pad(own_rows, (0, 0, 0, missing) if value.dim() == 3 else (0, missing))
            columns.setdefault(name, []).append(padded)
    own = {name: torch.cat(parts) for name, parts in columns.items()}
    if processes.count > 1:
        order = torch.cat([order[rank :: processes.count] for rank in range(processes.count)])
        shared = processes.gather({name: value.cpu() for name, value in own.items()})
        own = {name: torch.cat([parts[name] for parts in shared]).to(device) for name in own}
    back = order.argsort()
    whole = {name: value[back] for name, value in own.items()}
    return whole["logprobs"], whole["entropy"], whole.get("values"), whole["reference"]
