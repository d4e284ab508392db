"""What a reward is: a named function of (prompt, response) texts; its settings are one registered class."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from lenity.config.base import Section
from lenity.config.registry import Registry

if TYPE_CHECKING:
    import torch

REWARDS: Registry[RewardSpec] = Registry(
    "reward",
    "lenity.rewards",
    (
        "lenity.rewards.reward_model",
        "lenity.rewards.function",
        "lenity.rewards.given",
        "lenity.rewards.presets",
        "lenity.toy.rewards",
    ),
    former="kind",
)


class Reward(abc.ABC):
    """A loaded reward, ready to score text; :func:`lenity.rewards.asking.ask` asks it.

    Attributes:
        timeout: seconds that scoring one batch may take; None for as long as it likes.
    """

    timeout: float | None = None

    @abc.abstractmethod
    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        r"""One raw score for each (prompt, response) pair; higher is better.

        NaN, or :class:`lenity.rewards.no_score.NoScore` with a reason, where there is none: that response then teaches nothing
        of this objective. Too many of them stop the run (``tolerance.unscored``), and an evaluation takes none.

        Args:
            prompts: n texts, from ``\n\nHuman:`` to ``\n\nAssistant:``.
            responses: n texts as the policy wrote them, special tokens removed.
        """

    def prompt_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """Length of each prompt in this reward's own tokens; None where it has no tokenizer."""
        return None


class RewardSpec(Section):
    """Settings of one reward; ``load`` is the only place that touches weights."""

    open_set: ClassVar[Registry[Any]] = REWARDS
    measures: str | None = Field(
        None, description="of a held-out reward: the objective it measures; fronts are then drawn in such rewards too"
    )

    @abc.abstractmethod
    def load(self, device: torch.device) -> Reward:
        """The reward itself, on ``device``."""
