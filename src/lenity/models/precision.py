"""In which numbers a frozen model computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenity.config.sections import Precision

if TYPE_CHECKING:
    import torch


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """bfloat16 where the accelerator has it, unless the configuration says otherwise."""
    import torch

    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
