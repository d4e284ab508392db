"""Functions that all engines share: tokenising prompts, finding the ends of responses, and building the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lenity.data.conversation import Prompt
from lenity.data.human_assistant import as_prompt
from lenity.data.tokens import prompt_ids
from lenity.errors import DataError, EngineError
from lenity.rollout.batch import Rollouts, pad_right
from lenity.rollout.stops import StopStrings


@dataclass(frozen=True)
class Asked:
    """Prompts with their token ids, padded on the left."""

    tokenizer: Any
    prompts: list[Prompt]
    ids: Int[Tensor, "B P"]
    mask: Bool[Tensor, "B P"]

    @property
    def rows(self) -> list[list[int]]:
        """The token ids of each prompt, without padding."""
        return [row[real].tolist() for row, real in zip(self.ids, self.mask, strict=True)]


def asked(
    tokenizer: Any,
    prompts: Sequence[Prompt | str],
    device: torch.device,
    max_new_tokens: int,
    window: int | None = None,
) -> Asked:
    """The prompts with their token ids; a string is the exact text of a prompt.

    Raises:
        DataError: a prompt leaves no room for the longest response in the model's window, or in ``window``, an engine's own.
    """
    all_prompts = [as_prompt(prompt) for prompt in prompts]
    rows = prompt_ids(tokenizer, [prompt.text for prompt in all_prompts])
    length = max(map(len, rows))
    width = min(tokenizer.model_max_length, window or tokenizer.model_max_length)
    if length + max_new_tokens > width:
        raise DataError(
            f"a prompt of {length} tokens and a response of up to {max_new_tokens} are longer than the model's window of {width}.",
            "Lower prompts.max_tokens or max_new_tokens, or choose a model with a longer window.",
        )
    ids = [[tokenizer.pad_token_id] * (length - len(row)) + row for row in rows]
    mask = [[False] * (length - len(row)) + [True] * len(row) for row in rows]
    return Asked(tokenizer, all_prompts, torch.tensor(ids, device=device), torch.tensor(mask, device=device))


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The tokenizer's EOS token and those that the model's generation config adds (chat models end turns with others)."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    vocabulary = model.config.get_text_config().vocab_size
    return tuple(sorted({end for end in (tokenizer.eos_token_id, *_as_list(configured)) if end < vocabulary}))


def assembled(asked: Asked, answers: list[Tensor], ends: Sequence[int], stops: StopStrings) -> Rollouts:
    """The batch of ``answers``, cut after their ends: the first of ``ends``, or the token that completes a stop string."""
    lengths = [_length(row.tolist(), set(ends), stops.found.get(i)) for i, row in enumerate(answers)]
    rows = [row[: length[0]] for row, length in zip(answers, lengths, strict=True)]
    width, device = max(len(row) for row in rows), asked.ids.device
    return Rollouts(
        prompts=asked.prompts,
        responses=[stops.text(i, row.tolist()) for i, row in enumerate(rows)],
        prompt_ids=asked.ids,
        prompt_mask=asked.mask,
        response_ids=pad_right(rows, width, asked.tokenizer.pad_token_id),
        response_mask=torch.arange(width, device=device)
        < torch.tensor([n for n, _ in lengths], device=device)[:, None],
        finished=torch.tensor([ended for _, ended in lengths], device=device),
    )


def from_lists(
    asked: Asked, answers: Sequence[Sequence[int]], logprobs: Sequence[Sequence[float]], ends: Sequence[int], stop: Sequence[str]
) -> Rollouts:  # fmt: skip
    """The batch of an engine's responses, which may continue after a stop string, with the engine's log-probs, nats.

    Raises:
        EngineError: a response has no tokens, or a token has no finite log-prob.
    """
    device, pad = asked.ids.device, asked.tokenizer.pad_token_id
    rows = [torch.tensor(row, dtype=torch.long, device=device) for row in answers]
    row_logprobs = [torch.tensor(row, dtype=torch.float32, device=device) for row in logprobs]
    for i, (row, values) in enumerate(zip(rows, row_logprobs, strict=True)):
        if not len(row) or len(row) != len(values) or not bool(values.isfinite().all()):
            raise EngineError(
                f"the engine gave {len(row)} tokens with {int(values.isfinite().sum())} finite log-probs in response {i}.",
                "Use rollout.engine lenity, or another release of the engine.",
            )
    stops, padded = StopStrings(asked.tokenizer, stop, asked.rows), pad_right(rows, max(map(len, rows)), pad)
    for at in range(padded.shape[1]):
        longer = [i for i, row in enumerate(rows) if len(row) > at]
        stops.look(longer, padded[longer, : at + 1])
    rollouts = assembled(asked, rows, ends, stops)
    width = rollouts.response_mask.shape[1]
    engine = pad_right([values[:width] for values in row_logprobs], width, 0).where(rollouts.response_mask, 0.0)
    return replace(rollouts, engine_logprobs=engine)


def _length(tokens: list[int], ends: set[int], stopped: int | None) -> tuple[int, bool]:
    """The number of tokens up to and including the end, and whether the response has an end."""
    end = next((i + 1 for i, token in enumerate(tokens) if token in ends), None)
    ended = [n for n in (end, stopped) if n is not None]
    return (min(ended), True) if ended else (len(tokens), False)


def _as_list(value: Any) -> list[int]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple, set)) else [value]
