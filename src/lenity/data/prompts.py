"""The prompts that a run uses from its source: distinct, within the length windows, evenly spaced up to the limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from lenity.data.base import PromptSource, ReadReport
from lenity.data.conversation import Conversation, Prompt
from lenity.data.human_assistant import HUMAN_ASSISTANT
from lenity.data.loading import evenly_spaced
from lenity.data.seen import none_left, same
from lenity.data.templates import Template
from lenity.data.tokens import prompt_ids
from lenity.errors import ConfigError, DataError

POLICY = "the policy"
TRAINED_ON = "among the training prompts"
Counter = Callable[[Sequence[Prompt]], list[int]]  # lengths in tokens


def load_prompts(
    source: PromptSource,
    token_counts: Mapping[str, Counter],
    room: int | None = None,
    trained_on: Callable[[Sequence[str]], Set[str]] | None = None,
    template: Template = HUMAN_ASSISTANT,
) -> tuple[list[Prompt], ReadReport]:
    """The prompts, and the report: read, de-duplicated, filtered by the length window of each counter, evenly spaced up to ``limit``.

    Of rows with the same prompt the first is kept, with its columns.

    Args:
        source: settings of the data set.
        token_counts: counters of tokens, by name: the policy's and each reward model's.
        room: most tokens of the policy that a prompt may have, see :func:`room_for_prompts`; None for no limit.
        trained_on: given held-out prompts in the Human/Assistant form, returns the :func:`lenity.data.seen.same` of those to drop.
        template: template of the texts that the policy reads.

    Raises:
        DataError: no prompt is left.
    """
    conversations, report = source.conversations()
    prompts = distinct = list(_by_text(conversations, template).values())
    report.drop("repeated", len(conversations) - len(distinct))
    if trained_on:
        plain = [HUMAN_ASSISTANT.prompt(prompt.conversation) for prompt in distinct]
        seen_texts = trained_on(plain)
        prompts = [prompt for prompt, text in zip(distinct, plain, strict=True) if same(text) not in seen_texts]
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


def find_prompts(
    texts: Sequence[str], source: PromptSource | None, template: Template = HUMAN_ASSISTANT
) -> list[Prompt]:
    """The prompts of ``source`` with these texts, with their columns.

    Raises:
        DataError: ``source`` no longer has one of them.
    """
    by_text = _by_text(source.conversations()[0] if source else [], template)
    if missing := [text for text in texts if text not in by_text]:
        raise DataError(
            f"{len(missing)} of {len(texts)} prompts are no longer in the data set, the first of them ...{missing[0][-60:]!r}.",
            "Restore the data set as it was.",
        )
    return [by_text[text] for text in texts]


def token_counters(tokenizer: Any, rewards: Mapping[str, Any]) -> dict[str, Counter]:
    """The counters of tokens for the length windows, by name: the policy's tokenizer, and each reward that has a tokenizer."""

    def of_policy(prompts: Sequence[Prompt]) -> list[int]:
        return [len(ids) for ids in prompt_ids(tokenizer, [prompt.text for prompt in prompts])]

    def of_reward(reward: Any) -> Counter:
        return lambda prompts: reward.prompt_tokens([reward.renderer.prompt(each.conversation) for each in prompts])

    own = {name: of_reward(reward) for name, reward in rewards.items() if reward.prompt_tokens([""]) is not None}
    return {POLICY: of_policy, **own}


def room_for_prompts(tokenizer: Any, max_new_tokens: int) -> int:
    """The number of tokens of the policy's window that the longest response leaves for a prompt.

    Raises:
        ConfigError: no tokens are left.
    """
    room = int(tokenizer.model_max_length) - max_new_tokens
    if room < 1:
        raise ConfigError(
            f"the longest response, {max_new_tokens} tokens, leaves no room for a prompt in the policy's window of "
            f"{tokenizer.model_max_length}.",
            "Lower rollout.max_new_tokens (or evaluation.max_new_tokens), or choose a model with a longer window.",
        )
    return room


def _by_text(conversations: Iterable[Conversation], template: Template) -> dict[str, Prompt]:
    """The first prompt of each text, by text."""
    by_text: dict[str, Prompt] = {}
    for conversation in conversations:
        text = template.prompt(conversation)
        by_text.setdefault(text, Prompt(conversation, text))
    return by_text
