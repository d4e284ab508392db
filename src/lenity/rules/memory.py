"""A rule's memory of earlier steps: tensors by name, which each step takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from lenity.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Memory = Mapping[str, "Tensor"]
NOTHING: Memory = MappingProxyType({})


def saved(memory: Memory, kind: str) -> dict[str, Tensor]:
    """Copies of the memory's tensors for a checkpoint; no two share storage.

    Args:
        memory: the rule's memory.
        kind: the rule's kind, for the error message.

    Raises:
        ConfigError: a value is not a tensor; checkpoints store only tensors.
    """
    import torch

    if others := [name for name, value in memory.items() if not isinstance(value, torch.Tensor)]:
        raise ConfigError(
            f"rule {kind} has '{others[0]}' in its memory as {type(memory[others[0]]).__name__}, but checkpoints store only tensors.",
            "Return it from step() as torch.tensor(...), with dtype float64 for a float.",
        )
    return {name: value.detach().clone() for name, value in memory.items()}
