"""What a rule remembers of the steps so far: tensors by name, which go in and come out of each step."""

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
    """Copies for a checkpoint, each in memory of its own.

    Args:
        memory: of a rule.
        kind: the rule's, for the error.

    Raises:
        ConfigError: it holds what is no tensor, which a checkpoint cannot hold.
    """
    import torch

    if wrong := [name for name, value in memory.items() if not isinstance(value, torch.Tensor)]:
        raise ConfigError(
            f"rule {kind} remembers '{wrong[0]}' as {type(memory[wrong[0]]).__name__}, and checkpoints hold tensors.",
            "Let its step() give torch.tensor(...), float64 for a float.",
        )
    return {name: value.detach().clone() for name, value in memory.items()}
