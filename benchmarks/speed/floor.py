"""The least an iteration can take: its floating-point operations at the rate of this machine's matrix products."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import workload as w


@dataclass(frozen=True)
class Floor:
    """Operations of an iteration, and how many a second large matrix products reach, by the numbers they are in."""

    operations: float
    rates: dict[str, float]

    def seconds(self, dtype: str) -> float:
        """Their quotient."""
        return self.operations / self.rates[dtype]

    def __str__(self) -> str:
        found = (
            f"{rate / 1e9:.0f} GFLOP/s in {dtype}: {self.seconds(dtype):.2f} s" for dtype, rate in self.rates.items()
        )
        return f"Floor: {self.operations / 1e9:,.0f} GFLOP at the rate of 2048³ products, " + ", ".join(found) + "."


def floor(folder: Path, length: float) -> Floor:
    """Of responses of mean ``length`` tokens with a shared critic.

    A token costs two operations a weight of the trunk, and two a weight of the head where its distribution is needed. Every token
    goes once through the policy when generated, once through it and its reference when credited, once through each reward model,
    and in each epoch once forward and once backward: gradients of activations cost as much as the forward pass, gradients of the
    frozen weights nothing. Attention's own products are left out: at these lengths they are below a tenth.
    """
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "policy")
    head = model.lm_head.weight.numel()
    trunk = sum(p.numel() for p in model.model.layers.parameters())
    answered, read = w.BATCH * length, w.BATCH * (w.PROMPT + length)
    generate = 2 * (trunk * read + head * answered)
    credit = 2 * 2 * (trunk * read + head * answered)
    score = 2 * 2 * trunk * read
    update = w.EPOCHS * 2 * 2 * (trunk * read + head * answered)
    return Floor(
        generate + credit + score + update, {name: rate(getattr(torch, name)) for name in ("float32", "bfloat16")}
    )


def rate(dtype: torch.dtype, size: int = 2048, rounds: int = 7) -> float:
    """Operations a second of square products; the median of some."""
    torch.set_num_threads(2)
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        a @ b
        found.append(2 * size**3 / (time.perf_counter() - start))
    return statistics.median(found)
