"""One advantage per completion from its rewards: first per reward within the group, then by the rule. TRL's arithmetic, without TRL."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.advantages.conflict import conflict
from lenity.rules import AdvantageRule, rectified
from lenity.rules.memory import NOTHING, Memory

Scale = Literal["group", "batch", "none"]
EPSILON = 1e-4  # what GRPOTrainer adds to a standard deviation


class Consensus(NamedTuple):
    """The advantages of a batch per reward, A_k, the rule's M_k, and the combined advantage, one per completion."""

    advantages: Float[Tensor, "B K"]
    mask: Float[Tensor, "B K"]
    rectified: Float[Tensor, " B"]

    def forgiven(self) -> Float[Tensor, " K"]:
        """The share of each reward's losses that the rule leaves out: 1 - sum M |A| / sum |A| over A < 0; 0 without a loss."""
        losses = self.advantages.clamp(max=0).abs()
        total = losses.sum(0)
        return torch.where(total > 0, 1 - (self.mask * losses).sum(0) / total.where(total > 0, 1.0), 0.0)

    def conflict_rate(self, weights: Float[Tensor, "*#B K"]) -> float:
        """The share of completions that gain on one reward of positive weight and lose on another."""
        return conflict(self.advantages, weights).float().mean().item()


def agree(
    rewards: Float[Tensor, "B K"], rule: AdvantageRule, weights: Float[Tensor, "*#B K"], *, size: int, scale: Scale, whiten: bool,
    memory: Memory = NOTHING,
) -> tuple[Consensus, Memory]:  # fmt: skip
    """The advantages per reward and those that the rule combines them to, and the rule's updated memory.

    A missing reward has advantage 0; a completion without any reward has the combined advantage 0.

    Args:
        rewards: NaN where missing, (B, K); the completions of one prompt are ``size`` neighbouring rows.
        rule: combines advantages, (B, K) to (B,).
        weights: at least 0, sum 1, (K,), or one set per completion, (B, K).
        size: completions per prompt.
        scale: see :func:`completion_advantages`.
        whiten: standardise the combined advantages over the batch, as TRL's ``normalize_then_sum`` does (GDPO, arXiv 2601.05242).
        memory: the rule's memory before this batch.
    """
    advantages = completion_advantages(rewards, size, scale)
    mask, memory = rule.step(advantages, weights, memory)
    combined = rectified(advantages, weights, mask)
    unscored = rewards.isnan().all(1)
    if whiten:
        combined = combined.masked_fill(unscored, torch.nan)
        combined = (combined - combined.nanmean()) / (_deviation(combined, 0) + EPSILON)
    return Consensus(advantages, mask, combined.masked_fill(unscored, 0.0)), memory


def completion_advantages(rewards: Float[Tensor, "B K"], size: int, scale: Scale) -> Float[Tensor, "B K"]:
    """Each reward minus its mean over the completions of the prompt that have it, (B, K); 0 where missing.

    With one reward, the result is bitwise that of TRL's GRPOTrainer.

    >>> completion_advantages(torch.tensor([[1.0, 4.0], [3.0, torch.nan]]), size=2, scale="none").tolist()
    [[-1.0, 0.0], [1.0, 0.0]]

    Args:
        rewards: NaN where missing, (B, K); the completions of one prompt are ``size`` neighbouring rows.
        size: completions per prompt.
        scale: divide by the standard deviation within the ``group`` or over the ``batch``, or do not divide (``none``).
    """
    groups = rewards.reshape(-1, size, rewards.shape[1])
    advantages = groups - groups.nanmean(1, keepdim=True)
    if scale != "none":
        advantages = advantages / (_deviation(groups, 1 if scale == "group" else (0, 1)) + EPSILON)
    return advantages.flatten(0, 1).masked_fill(rewards.isnan(), 0.0)


def _deviation(values: Tensor, dims: int | tuple[int, ...]) -> Tensor:
    """The unbiased standard deviation of the values that are not NaN, 0 for a single value; ``dims`` are kept."""
    variance = (values - values.nanmean(dims, keepdim=True)).square().nanmean(dims, keepdim=True)
    count = (~values.isnan()).sum(dims, keepdim=True)
    return (variance * (count / (count - 1).clamp(min=1))).sqrt()
