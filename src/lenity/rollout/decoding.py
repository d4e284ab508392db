"""Token-by-token sampling: finished rows leave the batch, and each token is drawn with one uniform random number."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lenity.errors import NumericalError
from lenity.models.window import first_position
from lenity.rollout.draws import Draws
from lenity.rollout.stops import StopStrings


@dataclass(frozen=True)
class Sampling:
    """The sampling settings.

    Args:
        max_new_tokens: length of the longest response.
        min_new_tokens: number of tokens before which no end token is sampled.
        temperature: sampling temperature; 0 takes the likeliest token.
        top_p: nucleus: the likeliest tokens that together reach this probability.
        ends: tokens that end a response.
        pad: token that fills up finished responses.
    """

    max_new_tokens: int
    min_new_tokens: int
    temperature: float
    top_p: float
    ends: tuple[int, ...]
    pad: int


def decodes(model: Any) -> bool:
    """Whether ``model`` caches only keys and values, from which finished rows can be removed."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    accepted = inspect.signature(inner.forward).parameters
    if not {"past_key_values", "position_ids", "logits_to_keep"} <= set(accepted):
        return False
    layers = DynamicCache(config=inner.config).layers
    kinds = {kind for layer in layers for kind in type(layer).__mro__} - set(DynamicLayer.__mro__)
    return (
        bool(layers)
        and all(isinstance(layer, DynamicLayer) for layer in layers)
        and all(issubclass(kind, DynamicLayer) for kind in kinds)
    )


def decode(
    model: Any,
    ids: Int[Tensor, "B P"],
    mask: Bool[Tensor, "B P"],
    sampling: Sampling,
    stops: StopStrings,
    *,
    draws: Draws,
) -> Int[Tensor, "B T"]:
    """The responses to prompts that are padded on the left: tokens up to and including the end, then padding.

    Row i's t-th token depends on its own draw and on the model, not on the other rows.

    Raises:
        NumericalError: a distribution was not finite.
    """
    from transformers import DynamicCache

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    cache, device = DynamicCache(config=inner.config), ids.device
    padded = not bool(mask.all())
    positions = (mask.long().cumsum(-1) - 1).clamp(min=0) + first_position(inner)
    answers = ids.new_full((len(ids), sampling.max_new_tokens), sampling.pad)
    rows, alive = torch.arange(len(ids), device=device), torch.ones(len(ids), dtype=torch.bool, device=device)
    ends = torch.tensor(sampling.ends, dtype=torch.long, device=device)
    all_finite = torch.ones((), dtype=torch.bool, device=device)
    tokens, uniform = ids, draws.uniform.to(device)
    for at in range(sampling.max_new_tokens):
        logits = model(
            input_ids=tokens, attention_mask=mask.long() if padded else None, position_ids=positions,
            past_key_values=cache, use_cache=True, logits_to_keep=1,
        ).logits[:, -1].float()  # fmt: skip
        if at < sampling.min_new_tokens:
            logits[:, ends] = -torch.inf
        chosen, finite = draw(logits, uniform[at, rows], sampling.temperature, sampling.top_p)
        all_finite &= (finite | ~alive).all()
        answers[rows[alive], at] = chosen[alive]
        alive &= ~torch.isin(chosen, ends)
        running = rows[alive].tolist()
        stops.look(running, answers[rows[alive], : at + 1])
        if ended := [row for row in running if row in stops.found]:
            alive &= ~torch.isin(rows, torch.tensor(ended, device=device))
        left = len(running) - len(ended)
        if not left:
            break
        tokens, positions = chosen.unsqueeze(1), positions[:, -1:] + 1
        mask = torch.nn.functional.pad(mask, (0, 1), value=True)
        if left <= len(rows) // 2:
            kept = alive.int().argsort(descending=True, stable=True)[: len(rows) // 2].sort().values
            cache.batch_select_indices(kept)
            rows, tokens, positions, mask, alive = (part[kept] for part in (rows, tokens, positions, mask, alive))
    if not bool(all_finite):
        raise not_finite_error("a logit is not finite")
    return answers


def draw(
    logits: Float[Tensor, "B V"], uniform: Float[Tensor, " B"], temperature: float, top_p: float
) -> tuple[Int[Tensor, " B"], Bool[Tensor, " B"]]:
    """One token per row, at which the cumulative distribution passes ``uniform`` in [0, 1); and whether the distribution is finite."""
    if temperature == 0:
        return logits.argmax(-1), logits.amax(-1).isfinite()
    probabilities, order = (logits / temperature).softmax(-1), None
    if top_p < 1:
        probabilities, order = probabilities.sort(-1, descending=True)
        outside = probabilities.cumsum(-1) - probabilities >= top_p
        probabilities = probabilities.masked_fill(outside, 0.0)
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    positions = torch.searchsorted(cumulative, uniform.unsqueeze(1) * total, right=True).clamp(max=logits.shape[1] - 1)
    chosen = positions if order is None else order.gather(1, positions)
    return chosen.squeeze(1), total.isfinite().squeeze(1)


def not_finite_error(why: str) -> NumericalError:
    """The error for a policy whose next-token probabilities are not finite."""
    return NumericalError(
        f"the policy's probabilities of a next token are not finite ({why}).",
        "Go back to an earlier checkpoint, and lower optimizer.learning_rate.",
    )
