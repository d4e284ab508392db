"""Asks rewards for scores, whatever they do: a fault costs the rows it is in, and too many of them stop the run."""

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
    """A finite score or a :class:`NoScore` for each response; the reward gets the columns that it takes of the prompts' data rows.

    A call that raises, or gives another number of scores than of responses, is repeated with one response at a time, so that only
    those at fault go without; a Python function of other than one score per completion is refused at once. Where ``reward.timeout`` ends all this, so do those that have no score by then.
    """
    found: list[float] = []
    try:
        with time_limit(reward.timeout):
            known = [as_prompt(prompt).conversation for prompt in prompts]
            together = _call(reward, known, list(responses))
            if not isinstance(together, NoScore):
                return together
            for prompt, response in zip(known, responses, strict=True):
                alone = _call(reward, [prompt], [response])
                found.append(alone if isinstance(alone, NoScore) else alone[0])
    except OutOfTimeError as error:
        found += [NoScore(str(error)) for _ in responses[len(found) :]]
    return found


def _ask(reward: Reward, pairs: Sequence[tuple[Prompt | str, str]]) -> list[float]:
    return ask(reward, [prompt for prompt, _ in pairs], [response for _, response in pairs])


def score_all(
    rewards: Mapping[str, Reward],
    prompts: Sequence[Prompt | str],
    responses: Sequence[str],
    tolerated: float = 0.0,
    processes: Processes = ALONE,
) -> dict[str, list[float]]:
    """A score a response from each reward, by name; :class:`NoScore` where there is none.

    Args:
        rewards: by name.
        prompts: n; plain text has no columns.
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


def check_columns(rewards: Mapping[str, Reward], prompts: Sequence[Prompt], source: str) -> None:
    """Refuse rewards that take columns which ``prompts`` do not have, or which could be taken for what has the same name.

    Args:
        rewards: by name.
        prompts: all that they will score responses to.
        source: names the data set.

    Raises:
        RewardError: names the reward, the column, and the columns that there are.
    """
    reading = {
        name: reward.signature
        for name, reward in rewards.items()
        if reward.signature.takes_rows or reward.signature.doubtful
    }
    there = list(dict.fromkeys(name for prompt in prompts for name in prompt.conversation.columns)) if reading else []
    have = f"its columns are {there}" if there else "it has no other columns than the prompt"
    for name, signature in reading.items():
        if missing := [column for column in signature.required if column not in there]:
            raise RewardError(
                f"reward '{name}' takes the column '{missing[0]}', and {source} has none; {have}.",
                f"{did_you_mean(missing[0], there)} Name a column that there is, or give the parameter a default.".strip(),
            )
        if signature.takes_rows and (clash := [column for column in RESERVED if column in there]):
            raise RewardError(
                f"reward '{name}' takes columns, and {source} has one called '{clash[0]}', which is an argument of every reward.",
                "Rename that column, or leave it out of those that the data set's `columns` lists.",
            )
        if taken := [column for column in signature.doubtful if column in there]:
            raise RewardError(
                f"reward '{name}' has a parameter '{taken[0]}' where prompts or responses stand, and {source} has a column of that name.",
                "Call its first two parameters prompts and responses; columns come after them.",
            )


def _call(reward: Reward, prompts: list[Conversation], responses: list[str]) -> list[float] | NoScore:
    signature = reward.signature
    there = dict.fromkeys(name for prompt in prompts for name in prompt.columns) if signature.takes_columns else ()
    columns = {name: [prompt.columns.get(name) for prompt in prompts] for name in signature.columns(there)}
    texts = [reward.renderer.prompt(prompt) for prompt in prompts]
    messages = [prompt.plain() for prompt in prompts] if signature.takes_rows else []
    try:
        found = signature.call(reward.score, texts, responses, columns, messages)
        scores = [as_score(score) for score in in_order(found, f"{type(reward).__name__}.score")]
    except ScoreCountError:
        raise
    except Exception as error:  # a reward is anyone's code
        return NoScore(f"{type(error).__name__}: {getattr(error, 'what', error)}")
    return (
        scores if len(scores) == len(responses) else NoScore(f"{len(scores)} scores for {len(responses)} response(s)")
    )


def _row(i: int, prompt: Prompt | str, response: str, score: float) -> str:
    why, text = score.why if isinstance(score, NoScore) else "", as_prompt(prompt).text
    return f"row {i}, prompt ...{text[-WIDTH:]!r}, response {response[:WIDTH]!r}: {' '.join(why.split())[: 2 * WIDTH]}"
