"""Conflicts: tokens at which objectives disagree on the sign of the advantage."""

from __future__ import annotations

from torch import Tensor


def conflict(advantages: Tensor, weights: Tensor) -> Tensor:
    """Whether, of the objectives with positive weight, one has a positive and another a negative advantage, (...) from (..., K).

    Args:
        advantages: (..., K).
        weights: (K,) or (..., K).
    """
    active = weights > 0
    return ((advantages > 0) & active).any(-1) & ((advantages < 0) & active).any(-1)
