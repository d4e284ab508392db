"""A search for tensors with non-finite values."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors with a non-finite value; if there are none, the device is synchronised once, not once per tensor.

    >>> not_finite({"a": torch.ones(2), "b": torch.tensor([0.0, float("nan")])})
    ['b']
    """
    if not tensors or bool(torch.nn.utils.get_total_norm(list(tensors.values())).isfinite()):
        return []
    return [name for name, value in tensors.items() if not bool(value.isfinite().all())]
