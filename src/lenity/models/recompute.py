"""Gradient checkpointing: layers whose activations are recomputed in the backward pass instead of kept, to save memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from lenity.errors import ModelError


def recompute(model: nn.Module) -> None:
    """Make each layer of ``model`` keep only its input in passes with gradients (Chen et al., arXiv 1604.06174).

    transformers' own setting has an effect only in training mode, in which the base model's dropout would be on.

    Raises:
        ModelError: the model has no layers of transformers' ``GradientCheckpointingLayer``.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError(
            f"policy.gradient_checkpointing is true, but {type(model).__name__} has no layers that transformers can recompute.",
            "Leave it out, or choose another model.",
        )
    for layer in layers:
        layer.forward = partial(_again, layer.forward)


def _again(forward: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*arguments, **options)
    return checkpoint(forward, *arguments, use_reentrant=False, **options)
