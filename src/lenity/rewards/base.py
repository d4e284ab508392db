"""The base classes of rewards: a loaded reward scores texts, and a registered class has the settings of a kind of reward."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from lenity.config.base import Section
from lenity.config.registry import Registry
from lenity.data.human_assistant import HUMAN_ASSISTANT
from lenity.data.templates import Template
from lenity.rewards.signature import Signature

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
    """A loaded reward, ready to score texts; :func:`lenity.rewards.asking.ask` calls it.

    Attributes:
        timeout: seconds that scoring one batch may take; None for no limit.
        renderer: the template that renders conversations as texts for this reward.
    """

    timeout: float | None = None
    renderer: Template = HUMAN_ASSISTANT

    @cached_property
    def signature(self) -> Signature:
        """The way to call ``score``, and the columns that it takes."""
        return Signature.of(self.score)

    @abc.abstractmethod
    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        r"""One raw score for each (prompt, response) pair; higher is better.

        A reward that reads columns of the data rows has them as further parameters, or takes ``**columns``: each is a list of n
        values. A parameter ``conversations`` gets the messages of each prompt.

        A missing score is NaN, or :class:`lenity.rewards.no_score.NoScore` with a reason; training then ignores that response for
        this objective. Too many of them stop the run (``tolerance.unscored``); an evaluation allows none.

        Args:
            prompts: n texts, as ``renderer`` renders them.
            responses: n texts as the policy generated them, special tokens removed.
        """

    def prompt_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """The length of each prompt in this reward's own tokens; None if it has no tokenizer."""
        return None


class RewardSpec(Section):
    """The settings of one reward; only ``load`` reads weights."""

    open_set: ClassVar[Registry[Any]] = REWARDS
    measures: str | None = Field(
        None, description="objective that a held-out reward measures; fronts are then also drawn in such rewards"
    )

    @abc.abstractmethod
    def load(self, device: torch.device) -> Reward:
        """The loaded reward, on ``device``."""
