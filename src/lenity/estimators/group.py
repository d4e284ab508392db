"""Advantages without a critic: each response's return, standardised among the responses to its prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from lenity.config.sections import PPO
from lenity.estimators.base import ESTIMATORS, Estimate, Estimator
from lenity.estimators.grouped import Grouped, by_token

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

SMALLEST_STD = 1e-8


@ESTIMATORS.register("group")
class Group(Estimator):
    r"""The return of each objective, standardised among the n responses to one prompt.

    The standardisation per objective is that of GDPO (arXiv 2601.05242); with one objective it is GRPO's (arXiv 2402.03300).

    .. math:: A^k_i = (R^k_i - \mathrm{mean}_j R^k_j) / \mathrm{std}_j R^k_j, \quad R^k_i = \sum_t r^k_{i,t}

    The return is undiscounted and includes the KL penalty of all tokens; all tokens of a response have the same advantage. The
    standard deviation is that of the population (divisor n). Where all responses to a prompt have the same return on an objective,
    their advantages are 0. A response without a score on an objective does not belong to the group for that objective.
    """

    paper: ClassVar[str] = "arXiv 2402.03300, 2601.05242"
    equation: ClassVar[str] = "A_i = (R_i − mean_j R_j) / std_j R_j among a prompt's responses"
    standardised: ClassVar[bool] = True

    responses: int = Field(8, ge=2, description="responses per prompt; rollout.batch_size must be a multiple of it")

    def estimate(
        self, rewards: Float[Tensor, "B T K"], values: Tensor | None, valid_tokens: Bool[Tensor, "B T K"], settings: PPO
    ) -> Estimate:
        """One advantage per response at each of its tokens, (B, T, K)."""
        groups = Grouped.of(rewards, valid_tokens, self.responses)
        centred = groups.centred()
        std = groups.mean(centred.square()).sqrt()
        scores = (centred / std.clamp(min=SMALLEST_STD)).where(std > SMALLEST_STD, 0.0)
        return Estimate(by_token(scores, valid_tokens))
