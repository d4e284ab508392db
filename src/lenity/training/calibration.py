"""The standardisation constants, measured on responses of the reference policy."""

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
    """The constants, measured on ``count`` responses to evenly spaced ``prompts``, which repeat if there are fewer.

    Args:
        generator: samples from the policy, whose adapter is disabled meanwhile.
        rewards: all rewards of training and evaluation.
        prompts: the training prompts.
        count: number of responses.
        advance: called with the number of new responses.
        tolerated: fraction of the responses that a reward may leave without a score; the constants are those of the others.
        processes: split the work; each gets the same constants.

    Raises:
        RewardError: a reward leaves more responses without a score, or gives all the same score.
    """
    chosen = evenly_spaced(prompts, count)
    chosen = [chosen[i % len(chosen)] for i in range(count)]
    generator.model.eval()
    with generator.model.disable_adapter():
        rollouts = generate(generator, chosen, processes, advance)
    return Standardiser.fit(score_all(rewards, rollouts.prompts, rollouts.responses, tolerated, processes))
