"""Advantages without a critic: a response against the others of its prompt, at the scale of its prompt."""

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

    Per objective as in GDPO (arXiv 2601.05242); with one objective GRPO's (arXiv 2402.03300).

    .. math:: A^k_i = (R^k_i - \mathrm{mean}_j R^k_j) / \mathrm{std}_j R^k_j, \quad R^k_i = \sum_t r^k_{i,t}

    The return is undiscounted and holds the KL penalty of all tokens; all tokens of a response share its advantage. The standard
    deviation is that of the population (divisor n). An objective on which all responses to a prompt are equal gives 0 there. A
    response that an objective has not scored is not one of its group for that objective.
    """

    paper: ClassVar[str] = "arXiv 2402.03300, 2601.05242"
    equation: ClassVar[str] = "A_i = (R_i − mean_j R_j) / std_j R_j among a prompt's responses"
    standardised: ClassVar[bool] = True

    responses: int = Field(8, ge=2, description="responses per prompt; rollout.batch_size is a multiple")

    def estimate(
        self, rewards: Float[Tensor, "B T K"], values: Tensor | None, valid_tokens: Bool[Tensor, "B T K"], settings: PPO
    ) -> Estimate:
        """One advantage per response at each of its tokens, (B, T, K)."""
        groups = Grouped.of(rewards, valid_tokens, self.responses)
        centred = groups.centred()
        std = groups.mean(centred.square()).sqrt()
        scores = (centred / std.clamp(min=SMALLEST_STD)).where(std > SMALLEST_STD, 0.0)
        return Estimate(by_token(scores, valid_tokens))
