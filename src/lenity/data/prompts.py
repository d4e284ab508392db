"""From a prompt source to the prompts a run uses: distinct, within the length windows, at even steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from lenity.data.base import ASSISTANT, HUMAN, PromptSource, ReadReport
from lenity.data.lines import BLANK, bare
from lenity.data.loading import evenly_spaced
from lenity.data.seen import none_left, same
from lenity.data.tokens import prompt_ids
from lenity.errors import ConfigError, DataError

POLICY = "the policy"
BEGIN = re.compile(rf"\A{BLANK}*(?=Human:)")
ASKED = re.compile(rf"{BLANK}*[\r\n]{BLANK}*Assistant:\Z")  # an assistant's turn that is to begin
TRAINED_ON = "among the training prompts"


def load_prompts(
    source: PromptSource,
    token_counts: Mapping[str, Callable[[Sequence[str]], list[int]]],
    room: int | None = None,
    trained_on: Callable[[Sequence[str]], Set[str]] | None = None,
) -> tuple[list[str], ReadReport]:
    """Read, de-duplicate, apply the length window under each named counter, then ``limit`` by even steps.

    Args:
        source: the data set's settings.
        token_counts: lengths in tokens by who counts them: the policy and each reward model.
        room: most tokens of the policy's that a prompt may have beside a response, see :func:`room_for_prompts`; None for any.
        trained_on: of held-out prompts, the :func:`lenity.data.seen.same` of those to leave out and count.

    Raises:
        DataError: nothing is left.
    """
    prompts, report = source.read()
    distinct = list(dict.fromkeys(prompts))
    report.drop("repeated", len(prompts) - len(distinct))
    known = trained_on(distinct) if trained_on else frozenset()
    prompts = [prompt for prompt in distinct if same(prompt) not in known] if known else distinct
    report.drop(TRAINED_ON, len(distinct) - len(prompts))
    if distinct and not prompts:
        raise none_left(f"held_out_prompts ({report.source})", len(distinct))
    for name, count in token_counts.items():
        lengths = count(prompts)
        longest = source.max_tokens if room is None or name != POLICY else min(source.max_tokens, room)
        short, long = sum(n < source.min_tokens for n in lengths), sum(n > longest for n in lengths)
        report.drop(f"shorter than {source.min_tokens} tokens of {name}", short)
        report.drop(f"longer than {longest} tokens of {name}", long)
        prompts = [p for p, n in zip(prompts, lengths, strict=True) if source.min_tokens <= n <= longest]
    if not prompts:
        raise DataError(f"no prompt is left. {report}.", "Widen min_tokens and max_tokens, or choose another split.")
    kept = evenly_spaced(prompts, source.limit)
    report.drop("beyond the limit", len(prompts) - len(kept))
    report.kept = len(kept)
    return kept, report


def token_counters(tokenizer: Any, rewards: Mapping[str, Any]) -> dict[str, Callable[[Sequence[str]], list[int]]]:
    """Who counts tokens for the length windows: the policy's tokenizer, and each reward that has one."""

    def of_policy(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in prompt_ids(tokenizer, texts)]

    own = {name: reward.prompt_tokens for name, reward in rewards.items() if reward.prompt_tokens([""]) is not None}
    return {POLICY: of_policy, **own}


def room_for_prompts(tokenizer: Any, max_new_tokens: int) -> int:
    """Tokens of the policy's window that the longest response leaves.

    Raises:
        ConfigError: none.
    """
    room = int(tokenizer.model_max_length) - max_new_tokens
    if room < 1:
        raise ConfigError(
            f"the longest response, {max_new_tokens} tokens, leaves no room for a prompt in the policy's window of "
            f"{tokenizer.model_max_length}.",
            "Lower rollout.max_new_tokens (or evaluation.max_new_tokens), or choose a model with a longer window.",
        )
    return room


def dialogue(text: str) -> str:
    r"""``text`` as it is; a dialogue that lacks the form but for outer white space and line ends, in the form.

    >>> dialogue("Human: Hi\r\n\r\nAssistant: Hello")
    '\n\nHuman: Hi\n\nAssistant: Hello'
    """
    if text.startswith(HUMAN) and ASSISTANT in text:
        return text
    mended, begins = BEGIN.subn("\n\n", re.sub(r"\r\n?", "\n", text))
    return mended if begins and ASSISTANT in mended else text


def prompt_of(transcript: str) -> str | None:
    r"""Everything up to and including the last ``\n\nAssistant:``; None where that is not a dialogue.

    >>> prompt_of("\n\nHuman: Hi\n\nAssistant: Hello")
    '\n\nHuman: Hi\n\nAssistant:'
    """
    transcript = dialogue(transcript)
    end = transcript.rfind(ASSISTANT)
    if end < 0 or not transcript.startswith(HUMAN):
        return None
    return transcript[: end + len(ASSISTANT)]


def wrap(text: str) -> str:
    r"""Bare text as a one-turn prompt; text that has the form, or one end of it, keeps that, whatever white space is around it.

    What an assistant said last is cut off, as :func:`prompt_of` does.

    >>> wrap("Hi"), wrap("\nHuman: Hi\n\nAssistant: ")
    ('\n\nHuman: Hi\n\nAssistant:', '\n\nHuman: Hi\n\nAssistant:')
    """
    text = dialogue(text)
    if text.startswith(HUMAN) and text.endswith(ASSISTANT):
        return text
    prompt = prompt_of(text)
    if prompt is not None and HUMAN not in text[len(prompt) :]:
        text = prompt
    asked = ASKED.sub("", bare(text))
    return f"\n\n{asked}{ASSISTANT}" if asked.startswith(HUMAN.strip()) else f"{HUMAN} {asked}{ASSISTANT}"
