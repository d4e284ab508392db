"""Measurements of tokenizers and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lenity.data.base import PromptSource
from lenity.data.seen import same
from lenity.data.tokens import prompt_ids
from lenity.doctor.measurements import HeldOutStats, PromptStats, TokenizerStats
from lenity.evaluation.trained import Trained
from lenity.models.window import window
from lenity.rewards.base import Reward
from lenity.training.setup import World

QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95, "longest": 1.0}
BATCH = 2000  # prompts tokenised at once


def of_policy(world: World, texts: Sequence[str]) -> TokenizerStats:
    """Measurements of the policy's tokenizer on ``texts``."""
    return of_tokenizer(world.tokenizer, texts, window(world.policy.get_base_model()))


def of_reward(reward: Reward, texts: Sequence[str]) -> TokenizerStats | None:
    """Measurements of a reward's tokenizer on ``texts``; None where it has none."""
    tokenizer = getattr(reward, "tokenizer", None)
    return None if tokenizer is None else of_tokenizer(tokenizer, texts, getattr(reward, "max_length", None))


def of_tokenizer(tokenizer: Any, texts: Sequence[str], window: int | None) -> TokenizerStats:
    """Measurements of one tokenizer on ``texts``, for a model that reads ``window`` tokens."""
    rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    tokens, words = sum(map(len, rows)), sum(len(text.split()) for text in texts)
    unknown = getattr(tokenizer, "unk_token_id", None)
    recovered = [_plain(tokenizer.decode(ids)) == _plain(text) for ids, text in zip(rows, texts, strict=True)]
    return TokenizerStats(
        unknown=0.0 if unknown is None else sum(ids.count(unknown) for ids in rows) / max(tokens, 1),
        round_trip=float(np.mean(recovered)),
        per_word=tokens / max(words, 1),
        window=window,
        beyond=0.0 if window is None else float(np.mean([len(ids) > window for ids in rows])),
    )


def measure_prompts(world: World, max_tokens: int) -> PromptStats:
    """Read and dropped rows, and the lengths of the prompts kept."""
    texts = [prompt.text for prompt in world.prompts]
    batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
    lengths = [len(ids) for batch in batches for ids in prompt_ids(world.tokenizer, batch)]
    return PromptStats(
        read=world.report.read,
        kept=world.report.kept,
        dropped=dict(world.report.dropped),
        lengths={name: int(np.quantile(lengths, at)) for name, at in QUANTILES.items()},
        max_tokens=max_tokens,
    )


def measure_held_out(held_out: PromptSource | None, trained: Trained) -> HeldOutStats | None:
    """How many held-out prompts are training prompts too; None where ``held_out_prompts`` is not set."""
    if held_out is None:
        return None
    prompts, _ = held_out.texts()
    distinct = list(dict.fromkeys(prompts))
    known, unread = trained.among(distinct)
    both = sum(same(prompt) in known for prompt in distinct)
    return HeldOutStats(len(distinct), both, len(prompts) - len(distinct), tuple(unread))


def _plain(text: str) -> str:
    return "".join(text.casefold().split())
