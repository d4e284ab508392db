"""What an estimator is: the rewards of each token, and a critic's values where it needs one -> advantages."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field

from lenity.config.base import Section
from lenity.config.registry import Registry
from lenity.config.sections import PPO

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

ESTIMATORS: Registry[Estimator] = Registry(
    "estimator",
    "lenity.estimators",
    ("lenity.estimators.critic", "lenity.estimators.group", "lenity.estimators.leave_one_out"),
)
CRITIC_SETTINGS = (
    "critic", "optimizer.critic_learning_rate", "ppo.gamma", "ppo.lam", "ppo.value_clip", "ppo.value_coefficient",
)  # fmt: skip


class Estimate(NamedTuple):
    """Advantages, 0 where a token does not count; and, where there is a critic, the returns that it learns."""

    advantages: Float[Tensor, "B T K"]
    returns: Float[Tensor, "B T K"] | None = None


class Estimator(Section, abc.ABC):
    """Settings and arithmetic of one estimator.

    ``paper`` and ``equation`` say where it is from. A run has a critic only where its estimator ``needs_critic``. Advantages that
    are ``standardised`` stand at a common scale already, so that ``ppo.normalise`` does nothing to them.
    """

    open_set: ClassVar[Registry[Any]] = ESTIMATORS
    shorthand: ClassVar[str | None] = "responses"
    paper: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    needs_critic: ClassVar[bool] = False
    standardised: ClassVar[bool] = False

    responses: int = Field(1, ge=1, description="responses per prompt; rollout.batch_size is a multiple")

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings of a run that do nothing under this estimator, by name; a section's name stands for all its fields."""
        return (() if self.needs_critic else CRITIC_SETTINGS) + (("ppo.normalise",) if self.standardised else ())

    @abc.abstractmethod
    def estimate(
        self,
        rewards: Float[Tensor, "B T K"],
        values: Float[Tensor, "B T K"] | None,
        valid_tokens: Bool[Tensor, "B T K"],
        settings: PPO,
    ) -> Estimate:
        """Advantages of each token, (B, T, K), from its rewards.

        Args:
            rewards: at each token the KL penalty, at the last one the standardised score too, (B, T, K). The ``responses`` to one
                prompt are neighbouring rows.
            values: of the critic before each token, (B, T, K); None where the estimator needs none.
            valid_tokens: True on the real tokens of responses that an objective has scored, (B, T, K); the others count for nothing.
            settings: ``gamma`` and ``lam``.
        """
