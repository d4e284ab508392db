"""Objectives: ordered names and their weights. The only place where names and positions meet."""

from __future__ import annotations

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
        """(B, K) from one column of length B a name."""
        import torch

        return torch.stack([torch.as_tensor(columns[name], dtype=torch.float32) for name in self.names], dim=-1)

    def named(self, vector: Tensor) -> dict[str, float]:
        """{name: value} from shape (K,)."""
        return dict(zip(self.names, vector.tolist(), strict=True))
