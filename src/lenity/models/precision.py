"""The precision in which a frozen model computes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from lenity.config.sections import Precision

if TYPE_CHECKING:
    import torch


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """The configured dtype; for ``auto``, bfloat16 if the accelerator supports it, else float32."""
    import torch

    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def bfloat16_gain(width: int, device: torch.device, rounds: int = 9) -> float:
    """The speed-up of bfloat16 over float32 for a product of the model's size: 1024 tokens through a layer of ``width`` by 4 ``width``.

    The result is the median over alternating rounds. Some CPUs support bfloat16 in hardware; others emulate it, slower than float32.
    """
    import torch

    tokens, layer = torch.randn(1024, width, device=device), torch.randn(width, 4 * width, device=device)
    pairs = {dtype: (tokens.to(dtype), layer.to(dtype)) for dtype in (torch.float32, torch.bfloat16)}

    def seconds(dtype: torch.dtype) -> float:
        start = time.perf_counter()
        for _ in range(4):
            product = pairs[dtype][0] @ pairs[dtype][1]
        product[0, 0].item()  # waits for the device
        return time.perf_counter() - start

    ratios = [seconds(torch.float32) / seconds(torch.bfloat16) for _ in range(rounds)]
    return statistics.median(ratios[2:])  # the first rounds also prepare kernels
