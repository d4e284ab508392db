"""The base class of estimators, which turn the rewards of each token, and a critic's values if they need one, into advantages."""

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
    """Advantages, 0 at tokens that are not valid, and the returns that the critic is trained on; None without a critic."""

    advantages: Float[Tensor, "B T K"]
    returns: Float[Tensor, "B T K"] | None = None


class Estimator(Section, abc.ABC):
    """The settings and the arithmetic of one estimator.

    ``paper`` and ``equation`` give its source. A run has a critic only if its estimator ``needs_critic``. Advantages that are
    ``standardised`` have a common scale already, so that ``ppo.normalise`` does not change them.
    """

    open_set: ClassVar[Registry[Any]] = ESTIMATORS
    shorthand: ClassVar[str | None] = "responses"
    paper: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    needs_critic: ClassVar[bool] = False
    standardised: ClassVar[bool] = False

    responses: int = Field(1, ge=1, description="responses per prompt; rollout.batch_size must be a multiple of it")

    @property
    def idle(self) -> tuple[str, ...]:
        """The names of the settings of a run that have no effect with this estimator; a section's name stands for all its fields."""
        return (() if self.needs_critic else CRITIC_SETTINGS) + (("ppo.normalise",) if self.standardised else ())

    @abc.abstractmethod
    def estimate(
        self,
        rewards: Float[Tensor, "B T K"],
        values: Float[Tensor, "B T K"] | None,
        valid_tokens: Bool[Tensor, "B T K"],
        settings: PPO,
    ) -> Estimate:
        """The advantages of each token, (B, T, K), from its rewards.

        Args:
            rewards: the KL penalty at each token, plus the standardised score at the last token, (B, T, K). The ``responses`` to one
                prompt are neighbouring rows.
            values: the critic's values before each token, (B, T, K); None if the estimator needs no critic.
            valid_tokens: True on the real tokens of responses that an objective has scored, (B, T, K); the others are ignored.
            settings: ``gamma`` and ``lam``.
        """
