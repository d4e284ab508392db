"""Attention for bfloat16 models on a CPU, where torch's fused kernel is up to four times slower than two matrix products."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

NAME = "lenity_products"
LONGEST = 768  # keys; with more, the fused kernel is as fast and does not materialise all scores


def quicken(model: Any) -> Any:
    """``model`` itself, set to use matrix products for attention if it is a bfloat16 model on a CPU with torch's kernel."""
    if model.device.type == "cpu" and model.dtype is torch.bfloat16 and model.config._attn_implementation == "sdpa":
        _register()
        model.set_attn_implementation(NAME)
    return model


def products(
    module: Any, query: Float[Tensor, "B H T D"], key: Float[Tensor, "B G S D"], value: Float[Tensor, "B G S D"], attention_mask: Tensor | None,
    *, dropout: float = 0.0, scaling: float | None = None, is_causal: bool | None = None, **more: Any,
) -> tuple[Float[Tensor, "B T H D"], None]:  # fmt: skip
    """softmax(Q Kᵀ · scaling) V, with the arguments of transformers' own function, which handles options unknown here."""
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    length, keys = query.shape[2], key.shape[2]
    unknown = dropout > 0 or more.get("position_bias") is not None or more.get("cache") is not None
    if unknown or keys > LONGEST or query.dtype is not torch.bfloat16:
        fused: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **more
        )
        return fused
    groups = query.shape[1] // key.shape[1]
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ repeat_kv(key, groups).mT
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if attention_mask is None and causal and length > 1:
        attention_mask = torch.ones(length, keys, dtype=torch.bool, device=query.device).tril()
    if attention_mask is not None:
        if attention_mask.dtype is torch.bool:
            least = torch.finfo(scores.dtype).min  # not -inf, which gives NaN for padding that attends to nothing
            attention_mask = torch.zeros_like(attention_mask, dtype=scores.dtype).masked_fill(~attention_mask, least)
        scores = scores + attention_mask
    states = scores.softmax(-1) @ repeat_kv(value, groups)
    return states.transpose(1, 2).contiguous(), None


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, products)
    AttentionMaskInterface.register(NAME, sdpa_mask)
