"""Which tensors hold a number that is not finite."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of those that do; where none does, the device is waited for once and not once a tensor.

    >>> not_finite({"a": torch.ones(2), "b": torch.tensor([0.0, float("nan")])})
    ['b']
    """
    if not tensors or bool(torch.nn.utils.get_total_norm(list(tensors.values())).isfinite()):
        return []
    return [name for name, value in tensors.items() if not bool(value.isfinite().all())]
