"""Merging an adapter into the weights, with checks that the merged model and its saved copy have the adapted model's logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lenity.errors import ModelError

TOKENS = 16  # tokens that are compared, evenly spaced over the vocabulary
EXACT, ROUNDED = 1e-4, 0.1  # allowed change, relative to the logits' norm, in float32 and in lower precision


def merge(model: Any) -> Any:
    """The base model with the adapter merged into its weights; tied embeddings are untied if the adapter changes only one.

    Args:
        model: a ``PeftModel``, which must not be used afterwards.

    Raises:
        ModelError: the adapter cannot be merged, or the merged model has other logits.
    """
    adapters, kind = list(model.active_adapters), _kind(model)
    if not hasattr(model, "merge_and_unload"):
        raise ModelError(f"an adapter of type {kind} has no weights to merge.", "Use a LoRA adapter.")
    expected = _logits(model)
    base, untied = model.get_base_model(), adapts_tied(model.get_base_model())
    if untied:
        _own_head(base)
    try:
        merged = model.merge_and_unload()
    except (ValueError, NotImplementedError, AttributeError) as error:
        raise ModelError(f"the adapter of type {kind} cannot be merged: {error}.", "Use plain LoRA.") from error
    if untied:
        _tie(merged, tied=torch.equal(*(end.weight for end in _ends(merged))))
    exact = all(value.dtype is torch.float32 for value in merged.parameters() if value.is_floating_point())
    difference = _difference(_logits(merged), expected)
    if not difference < (EXACT if exact else ROUNDED):
        raise ModelError(
            f"merging the adapter {adapters} of type {kind} into {type(merged).__name__} changes its logits (relative difference "
            f"{difference:.2g}).",
            "Leave layers that share weights out of the adapter, or train in float32 with plain LoRA.",
        )
    return merged


def save(model: Any, folder: Path) -> None:
    """Save ``model`` to ``folder``, then check that ``from_pretrained`` loads the same weights.

    Raises:
        ModelError: a loaded weight differs.
    """
    model.save_pretrained(folder)
    loaded = type(model).from_pretrained(folder, dtype=model.dtype, use_safetensors=True).state_dict()
    for name, value in model.state_dict().items():
        saved = loaded.get(name)
        if saved is None or saved.shape != value.shape or not _same(saved, value.to(saved.device, saved.dtype)):
            raise ModelError(
                f"the {type(model).__name__} saved in '{folder}' has other weights than the one in memory ({name}).",
                "Leave layers that share weights out of the adapter.",
            )


def adapts_tied(model: Any) -> bool:
    """Whether head and embedding of ``model`` (not a ``PeftModel``) share weights, and an adapter is on one of the two."""
    embedding, head = _ends(model)
    tied = head is not None and _bare(head).weight is _bare(embedding).weight
    return tied and (_bare(head) is not head or _bare(embedding) is not embedding)


def _own_head(model: Any) -> None:
    head = _bare(model.get_output_embeddings())
    head.weight = nn.Parameter(head.weight.detach().clone(), requires_grad=False)


def _tie(model: Any, *, tied: bool) -> None:
    """Tie head and embedding again if the adapter kept them equal; otherwise record in the configuration that they are untied."""
    embedding, head = _ends(model)
    if tied:
        head.weight = embedding.weight
    for config in (model.config, model.config.get_text_config()):
        config.tie_word_embeddings = tied


def _ends(model: Any) -> tuple[Any, Any]:
    return model.get_input_embeddings(), model.get_output_embeddings()


def _bare(layer: Any) -> Any:
    """The base model's layer inside peft's wrappers."""
    for inner in ("base_layer", "original_module"):
        if isinstance(getattr(layer, inner, None), nn.Module):
            return _bare(getattr(layer, inner))
    return layer


def _kind(model: Any) -> str:
    return ", ".join(sorted({str(getattr(c.peft_type, "value", c.peft_type)) for c in model.peft_config.values()}))


@torch.no_grad()
def _logits(model: Any) -> Float[Tensor, "T V"]:
    model.eval()
    rows = model.get_input_embeddings().weight
    ids = torch.linspace(0, len(rows) - 1, min(TOKENS, len(rows)), device=rows.device).long()[None]
    logits: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits.flatten(0, -2).float()


def _difference(actual: Float[Tensor, "T V"], expected: Float[Tensor, "T V"]) -> float:
    """The norm of the difference relative to the norm of ``expected``, for logits minus each row's mean, which affects no probability."""
    if actual.shape[-1] > 1:
        actual, expected = (logits - logits.mean(-1, keepdim=True) for logits in (actual, expected))
    return float((actual - expected).norm() / expected.norm().clamp(min=1e-6))


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other) or torch.equal(one.nan_to_num(), other.nan_to_num())
