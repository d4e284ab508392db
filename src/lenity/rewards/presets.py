"""The three published reward models of the paper (arXiv 2604.05965, section 5), each registered under its own name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lenity.config.stages import Template
from lenity.rewards.base import REWARDS
from lenity.rewards.reward_model import RewardModelSpec


class _Pair(RewardModelSpec):
    template: Template | None = "pair"
    label: int | None = 0
    output: Literal["logit", "probability"] | None = "logit"


@REWARDS.register("gpt2-large-harmless")
class Harmless(_Pair):
    """The paper's reward model for harmlessness, which reads prompt and response as a pair; its one logit is the score."""

    model: str = Field("Ray2333/gpt2-large-harmless-reward_model", description="hub name, or local folder of a copy")


@REWARDS.register("gpt2-large-helpful")
class Helpful(_Pair):
    """The paper's reward model for helpfulness, which reads prompt and response as a pair; its one logit is the score."""

    model: str = Field("Ray2333/gpt2-large-helpful-reward_model", description="hub name, or local folder of a copy")


@REWARDS.register("humor-no-humor")
class Humor(RewardModelSpec):
    """The paper's reward model for humour, which reads the response alone; the logit of class 1, humour, is the score.

    A probability would saturate.
    """

    model: str = Field("mohameddhiab/humor-no-humor", description="hub name, or local folder of a copy")
    template: Template | None = "response"
    label: int | None = 1
    output: Literal["logit", "probability"] | None = "logit"
