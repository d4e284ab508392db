"""The least an iteration can take: its floating-point operations at the rate of this machine's matrix products."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """Of responses of mean ``length`` tokens with a shared critic and two reward models of the policy's size."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "policy")
    parts = operations(model, batch=w.BATCH, prompt=w.PROMPT, length=length, epochs=w.EPOCHS, rewards=2)
    return Floor(sum(parts.values()), {name: rate(getattr(torch, name)) for name in ("float32", "bfloat16")})


def operations(model: Any, *, batch: int, prompt: int, length: float, epochs: int, rewards: int) -> dict[str, float]:
    """Floating-point operations of the parts of an iteration.

    A token costs two operations a weight of the trunk, and two a weight of the head where its distribution is needed. Every token
    goes once through the policy when generated, once through it and its reference when advantages are computed, once through each reward model,
    and in each epoch once forward and once backward: gradients of activations cost as much as the forward pass, gradients of the
    frozen weights nothing. Attention's own products are left out: at these lengths they are below a tenth.
    """
    head = model.get_output_embeddings().weight.numel()
    trunk = sum(p.numel() for p in model.model.layers.parameters())
    answered, read = batch * length, batch * (prompt + length)
    once = 2 * (trunk * read + head * answered)
    return {"generate": once, "score": rewards * 2 * trunk * read, "advantages": 2 * once, "update": epochs * 2 * once}


def rate(dtype: torch.dtype, size: int = 2048, rounds: int = 7, device: str = "cpu") -> float:
    """Operations a second of square products; the median of some."""
    torch.set_num_threads(2)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        (a @ b)[0, 0].item()  # waits for the device
        found.append(2 * size**3 / (time.perf_counter() - start))
    return statistics.median(found)
