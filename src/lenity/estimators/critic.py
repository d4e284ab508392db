"""Generalised advantage estimation with a multi-head critic, one value per objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lenity.config.sections import PPO
from lenity.estimators.base import ESTIMATORS, Estimate, Estimator

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    Tokens = Float[Tensor, "B T K"]


@ESTIMATORS.register("critic")
class Critic(Estimator):
    r"""GAE of each objective (Schulman et al. 2016, arXiv 1506.02438, eq. 11 and 16; PLC section 1).

    .. math::
        \delta^k_t = r^k_t + \gamma V^k_{t+1} - V^k_t, \quad A^k_t = \sum_l (\gamma\lambda)^l \delta^k_{t+l}, \quad R = A + V

    gamma and lambda are ``ppo.gamma`` and ``ppo.lam``, the critic is the section ``critic``. Several ``responses`` per prompt do
    not change the arithmetic.
    """

    paper: ClassVar[str] = "arXiv 1506.02438"
    equation: ClassVar[str] = "A_t = Σ_l (γλ)^l δ_{t+l}, δ_t = r_t + γ V_{t+1} − V_t"
    needs_critic: ClassVar[bool] = True

    def estimate(
        self, rewards: Tokens, values: Tokens | None, valid_tokens: Bool[Tensor, "B T K"], settings: PPO
    ) -> Estimate:
        """The advantages and returns of each token, (B, T, K) each."""
        assert values is not None, "a critic's values"
        return Estimate(*gae(rewards, values, valid_tokens, settings.gamma, settings.lam))


def gae(
    rewards: Tokens,
    values: Tokens,
    response_mask: Bool[Tensor, "B T"] | Bool[Tensor, "B T #K"],
    gamma: float = 0.99,
    lam: float = 0.95,
) -> tuple[Tokens, Tokens]:
    """The advantages and returns of each objective, (B, T, K) each, 0 on padding; see :class:`Critic`.

    Args:
        rewards: r, (B, T, K).
        values: V before each token, (B, T, K); the value after the last token is 0.
        response_mask: True on real tokens, which come before the padding: (B, T), or (B, T, K) where it differs by objective.
        gamma: discount.
        lam: lambda.
    """
    real = response_mask if response_mask.dim() == rewards.dim() else response_mask.unsqueeze(-1)
    rewards, values = rewards.where(real, 0.0), values.where(real, 0.0)
    advantages = rewards.new_zeros(rewards.shape)
    advantage_after = value_after = rewards.new_zeros(rewards[:, 0].shape)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * value_after - values[:, t]
        advantage_after = delta + gamma * lam * advantage_after  # 0 on padding, where all three terms are 0
        advantages[:, t], value_after = advantage_after, values[:, t]
    return advantages, advantages + values
