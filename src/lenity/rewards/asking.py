"""Asks rewards for scores, whatever they do: a fault costs the rows it is in, and too many of them stop the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lenity.distributed.processes import ALONE, Processes
from lenity.errors import RewardError, ScoreCountError
from lenity.rewards.base import Reward
from lenity.rewards.no_score import NoScore, as_score
from lenity.rewards.time_limit import OutOfTimeError, time_limit

SHOWN, WIDTH = 5, 60  # rows named in an error, characters of each text and reason


def ask(reward: Reward, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
    """A finite score or a :class:`NoScore` for each response.

    A call that raises, or gives another number of scores than of responses, is repeated with one response at a time, so that only
    those at fault go without; a Python function of other than one score per completion is refused at once. Where ``reward.timeout`` ends all this, so do those that have no score by then.
    """
    found: list[float] = []
    try:
        with time_limit(reward.timeout):
            together = _call(reward, list(prompts), list(responses))
            if not isinstance(together, NoScore):
                return together
            for prompt, response in zip(prompts, responses, strict=True):
                alone = _call(reward, [prompt], [response])
                found.append(alone if isinstance(alone, NoScore) else alone[0])
    except OutOfTimeError as error:
        found += [NoScore(str(error)) for _ in responses[len(found) :]]
    return found


def _ask(reward: Reward, pairs: Sequence[tuple[str, str]]) -> list[float]:
    return ask(reward, [prompt for prompt, _ in pairs], [response for _, response in pairs])


def score_all(
    rewards: Mapping[str, Reward],
    prompts: Sequence[str],
    responses: Sequence[str],
    tolerated: float = 0.0,
    processes: Processes = ALONE,
) -> dict[str, list[float]]:
    """A score a response from each reward, by name; :class:`NoScore` where there is none.

    Args:
        rewards: by name.
        prompts: n texts.
        responses: n texts.
        tolerated: share of the responses that a reward may leave without a score, though never all of them.
        processes: share the asking; each has all texts before and all scores after.

    Raises:
        RewardError: a reward leaves more without one; names the first of those rows.
    """
    columns: dict[str, list[float]] = {}
    for name, reward in rewards.items():
        columns[name] = processes.share(list(zip(prompts, responses, strict=True)), partial(_ask, reward))
        missing = [i for i, score in enumerate(columns[name]) if isinstance(score, NoScore)]
        without, asked = len(missing), len(responses)
        if without and (without > tolerated * asked or without == asked):
            allowed = f" (tolerance.unscored allows {tolerated:.0%})" if tolerated else ""
            shown = "; ".join(_row(i, prompts[i], responses[i], columns[name][i]) for i in missing[:SHOWN])
            raise RewardError(
                f"reward '{name}' is not a finite number for {without} of {asked} responses{allowed}: {shown}.",
                "Return a number for any text, the empty one too.",
            )
    return columns


def _call(reward: Reward, prompts: list[str], responses: list[str]) -> list[float] | NoScore:
    try:
        scores = [as_score(score) for score in reward.score(prompts, responses)]
    except ScoreCountError:
        raise
    except Exception as error:  # a reward is anyone's code
        return NoScore(f"{type(error).__name__}: {getattr(error, 'what', error)}")
    return (
        scores if len(scores) == len(responses) else NoScore(f"{len(scores)} scores for {len(responses)} response(s)")
    )


def _row(i: int, prompt: str, response: str, score: float) -> str:
    why = score.why if isinstance(score, NoScore) else ""
    return (
        f"row {i}, prompt ...{prompt[-WIDTH:]!r}, response {response[:WIDTH]!r}: {' '.join(why.split())[: 2 * WIDTH]}"
    )
