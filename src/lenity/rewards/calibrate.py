"""Measures the standardisation constants on reference-policy responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lenity.data.loading import every
from lenity.rewards.base import Reward
from lenity.rewards.check import check_scores
from lenity.rewards.standardise import Standardiser


def score_all(
    rewards: Mapping[str, Reward], prompts: Sequence[str], responses: Sequence[str]
) -> dict[str, list[float]]:
    """One finite score a response from each reward, by name."""
    return {
        name: check_scores(name, reward.score(prompts, responses), len(responses)) for name, reward in rewards.items()
    }


def measure(
    generator: Any, rewards: Mapping[str, Reward], prompts: Sequence[str], count: int, advance: Any
) -> Standardiser:
    """Constants from ``count`` responses at even steps over ``prompts``; fewer prompts are used again.

    Args:
        generator: samples from the policy, whose adapter must be off.
        rewards: all that training and evaluation use.
        prompts: of training.
        count: responses.
        advance: called with the number of new responses.
    """
    chosen = every(prompts, count)
    chosen = [chosen[i % len(chosen)] for i in range(count)]
    generator.model.eval()
    with generator.model.disable_adapter():
        rollouts = generator.generate(chosen, advance)
    return Standardiser.fit(score_all(rewards, rollouts.prompts, rollouts.responses))
