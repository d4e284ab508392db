"""Advantages without a critic: each response's return minus the mean return of the other responses to its prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from lenity.config.sections import PPO
from lenity.estimators.base import ESTIMATORS, Estimate, Estimator
from lenity.estimators.grouped import Grouped, by_token

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor


@ESTIMATORS.register("leave_one_out")
class LeaveOneOut(Estimator):
    r"""REINFORCE leave-one-out, RLOO (arXiv 2402.14740), per objective: the baseline of a response is the others' mean return.

    .. math:: A^k_i = R^k_i - \frac{1}{n-1} \sum_{j \ne i} R^k_j = \frac{n}{n-1} (R^k_i - \mathrm{mean}_j R^k_j), \quad R^k_i = \sum_t r^k_{i,t}

    The return is undiscounted and includes the KL penalty of all tokens; all tokens of a response have the same advantage. n is the
    number of responses to the prompt that the objective has scored; a single scored response gets advantage 0. ``ppo.normalise`` and
    ``ppo.whiten`` apply as they do with a critic; the published method uses neither (``none`` and ``false``).
    """

    paper: ClassVar[str] = "arXiv 2402.14740"
    equation: ClassVar[str] = "A_i = R_i − mean_{j≠i} R_j among a prompt's responses"

    responses: int = Field(4, ge=2, description="responses per prompt; rollout.batch_size must be a multiple of it")

    def estimate(
        self, rewards: Float[Tensor, "B T K"], values: Tensor | None, valid_tokens: Bool[Tensor, "B T K"], settings: PPO
    ) -> Estimate:
        """One advantage per response at each of its tokens, (B, T, K)."""
        groups = Grouped.of(rewards, valid_tokens, self.responses)
        return Estimate(by_token(groups.centred() * groups.number / (groups.number - 1).clamp(min=1), valid_tokens))
