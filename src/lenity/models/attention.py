"""Attention of a bfloat16 model on a CPU, where torch's fused kernel is up to four times slower than two plain products."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

NAME = "lenity_products"
LONGEST = 768  # keys; beyond, the fused kernel, which never holds all the scores, is as fast


def quicken(model: Any) -> Any:
    """``model`` itself, with attention by plain products where it would use torch's and that is slower."""
    if model.device.type == "cpu" and model.dtype is torch.bfloat16 and model.config._attn_implementation == "sdpa":
        _register()
        model.set_attn_implementation(NAME)
    return model


def products(
    module: Any, query: Float[Tensor, "B H T D"], key: Float[Tensor, "B G S D"], value: Float[Tensor, "B G S D"], attention_mask: Tensor | None,
    *, dropout: float = 0.0, scaling: float | None = None, is_causal: bool | None = None, **more: Any,
) -> tuple[Float[Tensor, "B T H D"], None]:  # fmt: skip
    """softmax(Q Kᵀ · scaling) V; what it does not know goes to transformers' own function, whose arguments these are."""
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    length, keys = query.shape[2], key.shape[2]
    unknown = dropout > 0 or more.get("position_bias") is not None or more.get("cache") is not None
    if unknown or keys > LONGEST or query.dtype is not torch.bfloat16:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **more
        )
        return found
    groups = query.shape[1] // key.shape[1]
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ repeat_kv(key, groups).mT
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if attention_mask is None and causal and length > 1:
        attention_mask = torch.ones(length, keys, dtype=torch.bool, device=query.device).tril()
    if attention_mask is not None:
        if attention_mask.dtype is torch.bool:
            least = torch.finfo(scores.dtype).min  # and not -inf: padding attends to nothing, and must stay a number
            attention_mask = torch.zeros_like(attention_mask, dtype=scores.dtype).masked_fill(~attention_mask, least)
        scores = scores + attention_mask
    states = scores.softmax(-1) @ repeat_kv(value, groups)
    return states.transpose(1, 2).contiguous(), None


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, products)
    AttentionMaskInterface.register(NAME, sdpa_mask)
