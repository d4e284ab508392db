"""What a reward is: a named function of prompts, responses and columns of the data; its settings are one registered class."""

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
    """A loaded reward, ready to score text; :func:`lenity.rewards.asking.ask` asks it.

    Attributes:
        timeout: seconds that scoring one batch may take; None for as long as it likes.
        renderer: the template that makes text of conversations for it.
    """

    timeout: float | None = None
    renderer: Template = HUMAN_ASSISTANT

    @cached_property
    def signature(self) -> Signature:
        """How ``score`` is called, and with which columns."""
        return Signature.of(self.score)

    @abc.abstractmethod
    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        r"""One raw score for each (prompt, response) pair; higher is better.

        A reward that reads columns of the data rows names them as further parameters, or takes ``**columns``: each is a list of n
        values. ``conversations`` gets the messages of each prompt.

        NaN, or :class:`lenity.rewards.no_score.NoScore` with a reason, where there is none: that response then teaches nothing
        of this objective. Too many of them stop the run (``tolerance.unscored``), and an evaluation takes none.

        Args:
            prompts: n texts, as ``renderer`` writes them.
            responses: n texts as the policy wrote them, special tokens removed.
        """

    def prompt_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """Length of each prompt in this reward's own tokens; None where it has no tokenizer."""
        return None


class RewardSpec(Section):
    """Settings of one reward; ``load`` is the only place that touches weights."""

    open_set: ClassVar[Registry[Any]] = REWARDS
    measures: str | None = Field(
        None, description="objective that a held-out reward measures; fronts are then drawn in such rewards too"
    )

    @abc.abstractmethod
    def load(self, device: torch.device) -> Reward:
        """The reward itself, on ``device``."""
