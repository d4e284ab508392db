"""Where objectives disagree on an advantage's sign."""

from __future__ import annotations

from torch import Tensor


def conflict(advantages: Tensor, weights: Tensor) -> Tensor:
    """Where one objective of positive weight gains and another loses, (...) from (..., K); the weights are (K,) or (..., K)."""
    active = weights > 0
    return ((advantages > 0) & active).any(-1) & ((advantages < 0) & active).any(-1)
