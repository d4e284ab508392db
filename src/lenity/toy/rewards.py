"""The exact scores of the toy world as rewards: ``type: toy``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lenity.errors import RewardError
from lenity.rewards.base import REWARDS, Reward, RewardSpec
from lenity.toy.scores import PREFERENCES, scores

if TYPE_CHECKING:
    import torch


class ToyReward(Reward):
    """One of the exact scores of :func:`lenity.toy.scores.scores`."""

    def __init__(self, preference: str) -> None:
        self._index = PREFERENCES.index(preference)

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """The exact score of each response; any text has one."""
        if len(prompts) != len(responses):
            raise RewardError(
                f"{len(prompts)} prompts but {len(responses)} responses.", "Give one response for each prompt."
            )
        return [scores(prompt, response)[self._index] for prompt, response in zip(prompts, responses, strict=True)]


@REWARDS.register("toy")
class ToyRewardSpec(RewardSpec):
    """An exact score of the toy world."""

    preference: Literal["helpful", "harmless", "humorous"] = Field(
        description="which of the three exact scores", examples=["helpful"]
    )

    def load(self, device: torch.device) -> ToyReward:
        """The reward; ``device`` is not used."""
        return ToyReward(self.preference)
