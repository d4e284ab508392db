"""Logits from last hidden states, computed by the model's own code.

The model's ``forward`` runs with its backbone replaced by the given states, so that it applies the scales, soft-caps, multipliers,
projections and truncated vocabularies of its family by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lenity.errors import ModelError


def logits_of(model: Any, states: Float[Tensor, "N H"]) -> Float[Tensor, "N V"]:
    """The logits, in float32, that ``model`` computes from its backbone's last hidden ``states``."""
    ids = torch.zeros(1, len(states), dtype=torch.long, device=states.device)
    with replaced_backbone(model, lambda *_, **__: Output([states[None]])):
        logits: Tensor = model(input_ids=ids).logits[0].float()
    return logits


def backbone_of(model: Any) -> Any:
    """The decoder without its language-model head.

    Raises:
        ModelError: the model does not separate its decoder from its head.
    """
    return getattr(model, _backbone_name(model))


@contextmanager
def replaced_backbone(model: Any, call: Callable[..., Any]) -> Iterator[None]:
    """A context in which ``model`` calls ``call(backbone, *arguments)`` instead of its backbone, or of a part of it."""
    name = _backbone_name(model)
    own = model._modules[name]
    model._modules[name] = _Replaced(own, call)
    try:
        yield
    finally:
        model._modules[name] = own


class Output(tuple[Tensor, ...]):
    """The output of a backbone: last hidden states, (B, T, H), and None for every other attribute."""

    __slots__ = ()

    @property
    def last_hidden_state(self) -> Tensor:
        """The last hidden states, (B, T, H)."""
        return self[0]

    def __getattr__(self, name: str) -> None:
        return None


class _Replaced:
    """A stand-in for a backbone, or a part of it (OPT calls a part), with the same attributes, that calls another function."""

    def __init__(self, own: nn.Module, call: Callable[..., Any]) -> None:
        self._own, self._call = own, call

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._call(self._own, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._own, name)
        return _Replaced(value, self._call) if isinstance(value, nn.Module) else value


def _backbone_name(model: Any) -> str:
    for name in (model.base_model_prefix, "model"):
        if name in model._modules:
            return str(name)
    raise ModelError(
        f"{type(model).__name__} does not separate its decoder from its head.", "Use a causal model of transformers."
    )
