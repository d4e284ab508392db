"""Measures the standardisation constants on reference-policy responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lenity.data.conversation import Prompt
from lenity.data.loading import evenly_spaced
from lenity.distributed.processes import ALONE, Processes
from lenity.rewards.asking import score_all
from lenity.rewards.base import Reward
from lenity.rewards.standardise import Standardiser
from lenity.rollout.base import generate


def measure(
    generator: Any,
    rewards: Mapping[str, Reward],
    prompts: Sequence[Prompt],
    count: int,
    advance: Any,
    *,
    tolerated: float = 0.0,
    processes: Processes = ALONE,
) -> Standardiser:
    """Constants from ``count`` responses at even steps over ``prompts``; fewer prompts are used again.

    Args:
        generator: samples from the policy, whose adapter must be off.
        rewards: all that training and evaluation use.
        prompts: of training.
        count: responses.
        advance: called with the number of new responses.
        tolerated: share of the responses that a reward may leave without a score; the constants are those of the others.
        processes: share the work; each comes to the same constants.

    Raises:
        RewardError: it leaves more without one, or gives all the same.
    """
    chosen = evenly_spaced(prompts, count)
    chosen = [chosen[i % len(chosen)] for i in range(count)]
    generator.model.eval()
    with generator.model.disable_adapter():
        rollouts = generate(generator, chosen, processes, advance)
    return Standardiser.fit(score_all(rewards, rollouts.prompts, rollouts.responses, tolerated, processes))
