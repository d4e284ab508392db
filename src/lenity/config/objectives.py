"""Objectives: ordered names and their weights. Only here are names turned into positions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Objectives:
    """K named objectives.

    >>> objectives = Objectives(("helpful", "harmless"), {"harmless": 0.25, "helpful": 0.75})
    >>> objectives.weight_vector().tolist()
    [0.75, 0.25]
    """

    names: tuple[str, ...]
    weights: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.names)

    def weight_vector(self, device: torch.device | str = "cpu") -> Tensor:
        """Weights in the order of ``names``, shape (K,)."""
        import torch

        return torch.tensor([self.weights[name] for name in self.names], device=device, dtype=torch.float32)

    def stack(self, columns: Mapping[str, Sequence[float]]) -> Tensor:
        """(B, K) from one column of length B per objective."""
        import torch

        return torch.stack([torch.as_tensor(columns[name], dtype=torch.float32) for name in self.names], dim=-1)

    def named(self, vector: Tensor) -> dict[str, float]:
        """``{name: value}`` from a vector of shape (K,)."""
        return dict(zip(self.names, vector.tolist(), strict=True))


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise ``ValueError`` unless the weights are finite, at least 0 and sum to 1."""
    if not weights:
        raise ValueError("weights is empty; name at least one objective")
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weights.{name} is {weight}; weights are finite and at least 0")
    total = sum(weights.values())
    if abs(total - 1) > 1e-6:
        fixed = {name: round(weight / total, 4) for name, weight in weights.items()} if total > 0 else "all equal"
        raise ValueError(f"weights {dict(weights)} sum to {total:.6g}, not 1; set all of them, for example to {fixed}")
