"""Scoring with error handling: a failing reward leaves only the failing rows without a score, and too many of them stop the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lenity.config.suggest import did_you_mean
from lenity.data.conversation import Conversation, Prompt
from lenity.data.human_assistant import as_prompt
from lenity.distributed.processes import ALONE, Processes
from lenity.errors import RewardError, ScoreCountError
from lenity.rewards.base import Reward
from lenity.rewards.no_score import NoScore, as_score, in_order
from lenity.rewards.signature import RESERVED
from lenity.rewards.time_limit import OutOfTimeError, time_limit

SHOWN, WIDTH = 5, 60  # rows named in an error, characters of each text and reason


def ask(reward: Reward, prompts: Sequence[Prompt | str], responses: Sequence[str]) -> list[float]:
    """One finite score or :class:`NoScore` per response; the reward is called with those columns of the prompts' rows that it takes.

    If a call raises, or returns another number of scores than of responses, it is repeated with one response at a time, so that only
    the failing responses have no score. Responses without a score when ``reward.timeout`` expires have none.

    Raises:
        ScoreCountError: a Python function does not return one score per completion.
    """
    scores: list[float] = []
    try:
        with time_limit(reward.timeout):
            conversations = [as_prompt(prompt).conversation for prompt in prompts]
            batch_scores = _call(reward, conversations, list(responses))
            if not isinstance(batch_scores, NoScore):
                return batch_scores
            for conversation, response in zip(conversations, responses, strict=True):
                one_score = _call(reward, [conversation], [response])
                scores.append(one_score if isinstance(one_score, NoScore) else one_score[0])
    except OutOfTimeError as error:
        scores += [NoScore(str(error)) for _ in responses[len(scores) :]]
    return scores


def _ask(reward: Reward, pairs: Sequence[tuple[Prompt | str, str]]) -> list[float]:
    return ask(reward, [prompt for prompt, _ in pairs], [response for _, response in pairs])


def score_all(
    rewards: Mapping[str, Reward],
    prompts: Sequence[Prompt | str],
    responses: Sequence[str],
    tolerated: float = 0.0,
    processes: Processes = ALONE,
) -> dict[str, list[float]]:
    """One score per response from each reward, by name; :class:`NoScore` where there is none.

    Args:
        rewards: the rewards, by name.
        prompts: n prompts; strings have no columns.
        responses: n texts.
        tolerated: fraction of the responses that a reward may leave without a score, though never all of them.
        processes: split the scoring; each process has all texts before and all scores after.

    Raises:
        RewardError: a reward leaves more responses without a score; the message names the first of those rows.
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
                "Return a number for every text, also for an empty one.",
            )
    return columns


def check_columns(rewards: Mapping[str, Reward], prompts: Sequence[Prompt], source: str) -> None:
    """Raise ``RewardError`` if a reward takes columns that ``prompts`` do not have, or whose names are those of other arguments.

    Args:
        rewards: the rewards, by name.
        prompts: all prompts whose responses they will score.
        source: name of the data set, for the error.

    Raises:
        RewardError: the message names the reward, the column, and the columns of the data.
    """
    reading = {
        name: reward.signature
        for name, reward in rewards.items()
        if reward.signature.takes_rows or reward.signature.doubtful
    }
    available = (
        list(dict.fromkeys(name for prompt in prompts for name in prompt.conversation.columns)) if reading else []
    )
    have = f"its columns are {available}" if available else "it has no other columns than the prompt"
    for name, signature in reading.items():
        if missing := [column for column in signature.required if column not in available]:
            raise RewardError(
                f"reward '{name}' takes the column '{missing[0]}', and {source} has none; {have}.",
                f"{did_you_mean(missing[0], available)} Name a column that there is, or give the parameter a default.".strip(),
            )
        if signature.takes_rows and (clash := [column for column in RESERVED if column in available]):
            raise RewardError(
                f"reward '{name}' takes columns, and {source} has one called '{clash[0]}', which is an argument of every reward.",
                "Rename that column, or leave it out of those that the data set's `columns` lists.",
            )
        if ambiguous := [column for column in signature.doubtful if column in available]:
            raise RewardError(
                f"reward '{name}' has a parameter '{ambiguous[0]}' where prompts or responses stand, and {source} has a column of that name.",
                "Call its first two parameters prompts and responses; columns come after them.",
            )


def _call(reward: Reward, prompts: list[Conversation], responses: list[str]) -> list[float] | NoScore:
    signature = reward.signature
    available = dict.fromkeys(name for prompt in prompts for name in prompt.columns) if signature.takes_columns else ()
    columns = {name: [prompt.columns.get(name) for prompt in prompts] for name in signature.columns(available)}
    texts = [reward.renderer.prompt(prompt) for prompt in prompts]
    messages = [prompt.plain() for prompt in prompts] if signature.takes_rows else []
    try:
        found = signature.call(reward.score, texts, responses, columns, messages)
        scores = [as_score(score) for score in in_order(found, f"{type(reward).__name__}.score")]
    except ScoreCountError:
        raise
    except Exception as error:  # users' code may raise anything
        return NoScore(f"{type(error).__name__}: {getattr(error, 'what', error)}")
    return (
        scores if len(scores) == len(responses) else NoScore(f"{len(scores)} scores for {len(responses)} response(s)")
    )


def _row(i: int, prompt: Prompt | str, response: str, score: float) -> str:
    why, text = score.why if isinstance(score, NoScore) else "", as_prompt(prompt).text
    return f"row {i}, prompt ...{text[-WIDTH:]!r}, response {response[:WIDTH]!r}: {' '.join(why.split())[: 2 * WIDTH]}"
