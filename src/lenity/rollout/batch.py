"""The batch that flows through an iteration; its type tells which stages have run.

Shapes: B responses, P prompt tokens, T response tokens, K objectives. Prompts are padded on the left, responses on the
right. One mask, ``response_mask``: True on a real response token.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lenity.data.conversation import Prompt

B = TypeVar("B", bound="Rollouts")


@dataclass(frozen=True)
class Rollouts:
    """Prompts and the policy's responses.

    ``finished`` is False for responses cut at the length limit. ``weights`` are the preference weights of each row, in the order of
    the objectives; None for responses that are not trained on. ``engine_logprobs`` are those of the distribution that the engine
    sampled each token from, nats; None for Lenity's own engine, which computes as the trainer does.
    """

    prompts: list[Prompt]
    responses: list[str]
    prompt_ids: Int[Tensor, "B P"]
    prompt_mask: Bool[Tensor, "B P"]
    response_ids: Int[Tensor, "B T"]
    response_mask: Bool[Tensor, "B T"]
    finished: Bool[Tensor, " B"]
    engine_logprobs: Float[Tensor, "B T"] | None = field(default=None, kw_only=True)
    weights: Float[Tensor, "B K"] | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The arguments of the actor-critic's ``forward``."""
        return {
            "prompt_ids": self.prompt_ids,
            "prompt_mask": self.prompt_mask,
            "response_ids": self.response_ids,
            "response_mask": self.response_mask,
        }

    def to(self: B, device: torch.device) -> B:
        """The batch on ``device``."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **values)

    def by_length(self, rows: Tensor) -> Tensor:
        """The ``rows``, sorted by the length of prompt and response together, longest first."""
        length = self.prompt_mask[rows].sum(1) + self.response_mask[rows].sum(1)
        return rows[length.argsort(descending=True, stable=True)]

    def select(self: B, rows: Tensor) -> B:
        """The batch of ``rows``, without padding columns that none of them needs; without rows, the first one with an empty response.

        A forward pass over that row has no effect on the losses, but with a sharded model every process must take part in each pass.
        """
        if len(rows) == 0:
            first = self.select(rows.new_zeros(1))
            return replace(first, response_mask=torch.zeros_like(first.response_mask))
        prompt = int(self.prompt_mask[rows].sum(1).max())
        response = int(self.response_mask[rows].sum(1).max())
        selected: dict[str, Any] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            axes = str(part.type)  # from the annotation, because sizes of axes may be equal
            if value is None:
                continue
            if isinstance(value, list):
                selected[part.name] = [value[i] for i in rows.tolist()]
            elif "B P" in axes:
                selected[part.name] = value[rows, value.shape[1] - prompt :]
            elif "B T" in axes:
                selected[part.name] = value[rows, :response]
            else:
                selected[part.name] = value[rows]
        return replace(self, **selected)


@dataclass(frozen=True)
class Scored(Rollouts):
    """Rollouts with the score of each reward; where ``scored`` is False, ``raw`` is NaN and ``standardised`` 0."""

    raw: Float[Tensor, "B K"]
    standardised: Float[Tensor, "B K"]
    scored: Bool[Tensor, "B K"]
    weights: Float[Tensor, "B K"] = field(kw_only=True)

    @property
    def valid_tokens(self) -> Bool[Tensor, "B T K"]:
        """The tokens on which each objective is trained: those of the responses that it has scored."""
        return self.response_mask.unsqueeze(-1) & self.scored.unsqueeze(1)


@dataclass(frozen=True)
class WithAdvantages(Scored):
    """Scored rollouts with the advantages of each token, per objective and combined by the rule.

    ``values`` and ``returns`` are a critic's; None without a critic.

    ``objective_scale`` is the factor by which the rule multiplied each objective's advantage (PLC's M).

    ``importance`` is the importance weight of each token in the policy's loss; None: all are 1.
    """

    logprobs: Float[Tensor, "B T"]
    reference_logprobs: Float[Tensor, "B T"]
    values: Float[Tensor, "B T K"] | None
    returns: Float[Tensor, "B T K"] | None
    advantages: Float[Tensor, "B T K"]
    objective_scale: Float[Tensor, "B T K"]
    rectified: Float[Tensor, "B T"]
    importance: Float[Tensor, "B T"] | None = field(default=None, kw_only=True)


def pad_right(rows: list[Tensor], width: int, value: int) -> Tensor:
    """The one-dimensional ``rows`` as one tensor (n, width), padded on the right with ``value``."""
    padded = rows[0].new_full((len(rows), width), value)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def concatenate(parts: list[Rollouts], pad_id: int = 0) -> Rollouts:
    """One batch from several that are padded to different lengths."""
    prompt = max(part.prompt_ids.shape[1] for part in parts)
    response = max(part.response_ids.shape[1] for part in parts)

    def left(tensor: Tensor, value: int) -> Tensor:
        return torch.nn.functional.pad(tensor, (prompt - tensor.shape[1], 0), value=value)

    def right(tensor: Tensor, value: int) -> Tensor:
        return torch.nn.functional.pad(tensor, (0, response - tensor.shape[1]), value=value)

    engine_logprobs = [part.engine_logprobs for part in parts if part.engine_logprobs is not None]
    weights = [part.weights for part in parts if part.weights is not None]
    return Rollouts(
        prompts=[prompt for part in parts for prompt in part.prompts],
        responses=[text for part in parts for text in part.responses],
        prompt_ids=torch.cat([left(part.prompt_ids, pad_id) for part in parts]),
        prompt_mask=torch.cat([left(part.prompt_mask, False) for part in parts]),
        response_ids=torch.cat([right(part.response_ids, pad_id) for part in parts]),
        response_mask=torch.cat([right(part.response_mask, False) for part in parts]),
        finished=torch.cat([part.finished for part in parts]),
        engine_logprobs=torch.cat([right(logprobs, 0) for logprobs in engine_logprobs])
        if len(engine_logprobs) == len(parts)
        else None,
        weights=torch.cat(weights) if len(weights) == len(parts) else None,
    )
