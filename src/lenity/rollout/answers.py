"""What every engine shares: prompts as tokens, where a response ends, and responses as a batch."""

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
    """Prompts, and their tokens padded on the left."""

    tokenizer: Any
    prompts: list[Prompt]
    ids: Int[Tensor, "B P"]
    mask: Bool[Tensor, "B P"]

    @property
    def rows(self) -> list[list[int]]:
        """The tokens alone."""
        return [row[real].tolist() for row, real in zip(self.ids, self.mask, strict=True)]


def asked(
    tokenizer: Any,
    prompts: Sequence[Prompt | str],
    device: torch.device,
    max_new_tokens: int,
    window: int | None = None,
) -> Asked:
    """``prompts`` as tokens; plain text is a prompt that is read as it is.

    Raises:
        DataError: a prompt leaves no room for the longest response in the model's window, or in ``window``, an engine's own.
    """
    known = [as_prompt(prompt) for prompt in prompts]
    rows = prompt_ids(tokenizer, [prompt.text for prompt in known])
    length = max(map(len, rows))
    width = min(tokenizer.model_max_length, window or tokenizer.model_max_length)
    if length + max_new_tokens > width:
        raise DataError(
            f"a prompt of {length} tokens and a response of up to {max_new_tokens} are longer than the model's window of {width}.",
            "Lower prompts.max_tokens or max_new_tokens, or choose a model with a longer window.",
        )
    ids = [[tokenizer.pad_token_id] * (length - len(row)) + row for row in rows]
    mask = [[False] * (length - len(row)) + [True] * len(row) for row in rows]
    return Asked(tokenizer, known, torch.tensor(ids, device=device), torch.tensor(mask, device=device))


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The tokenizer's end token and those the model's generation config adds (chat models end turns with others)."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    vocabulary = model.config.get_text_config().vocab_size
    return tuple(sorted({end for end in (tokenizer.eos_token_id, *_as_list(configured)) if end < vocabulary}))


def assembled(asked: Asked, answers: list[Tensor], ends: Sequence[int], stops: StopStrings) -> Rollouts:
    """``answers`` up to and with their ends: the first of ``ends``, or the token that completed a stop string."""
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
    """Responses as an engine returns them, which may go on behind a stop string; with its log-probs, nats.

    Raises:
        EngineError: a response without a token, or a token without a finite log-prob.
    """
    device, pad = asked.ids.device, asked.tokenizer.pad_token_id
    rows = [torch.tensor(row, dtype=torch.long, device=device) for row in answers]
    drawn = [torch.tensor(row, dtype=torch.float32, device=device) for row in logprobs]
    for i, (row, chances) in enumerate(zip(rows, drawn, strict=True)):
        if not len(row) or len(row) != len(chances) or not bool(chances.isfinite().all()):
            raise EngineError(
                f"the engine gave {len(row)} tokens with {int(chances.isfinite().sum())} finite log-probs in response {i}.",
                "Use rollout.engine lenity, or another release of the engine.",
            )
    stops, padded = StopStrings(asked.tokenizer, stop, asked.rows), pad_right(rows, max(map(len, rows)), pad)
    for at in range(padded.shape[1]):
        there = [i for i, row in enumerate(rows) if len(row) > at]
        stops.look(there, padded[there, : at + 1])
    found = assembled(asked, rows, ends, stops)
    width = found.response_mask.shape[1]
    engine = pad_right([chances[:width] for chances in drawn], width, 0).where(found.response_mask, 0.0)
    return replace(found, engine_logprobs=engine)


def _length(tokens: list[int], ends: set[int], stopped: int | None) -> tuple[int, bool]:
    """Tokens up to and with the end, and whether there was one."""
    end = next((i + 1 for i, token in enumerate(tokens) if token in ends), None)
    ended = [n for n in (end, stopped) if n is not None]
    return (min(ended), True) if ended else (len(tokens), False)


def _as_list(value: Any) -> list[int]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple, set)) else [value]
