"""The options that the lab's commands have in common."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lenity.config.load import listed
from lenity.errors import ConfigError

TOLERANCE = 1e-6


def read_weights(text: str, objectives: int) -> Tensor:
    """Preference weights (1, K) from ``.5,.5``.

    Raises:
        ConfigError: not K numbers of at least 0 that sum to 1.

    >>> read_weights(".25, .75", 2)
    tensor([[0.2500, 0.7500]], dtype=torch.float64)
    """
    example = ",".join([f"{1 / objectives:.3g}"] * objectives)
    try:
        numbers = [float(part) for part in listed(text)]
    except ValueError:
        raise ConfigError(
            f"weights: found '{text}'.", f"Give numbers with commas between them, such as --weights {example}."
        ) from None
    if len(numbers) != objectives:
        raise ConfigError(
            f"weights: found {len(numbers)} in '{text}', and this world has {objectives} objectives.",
            f"Give one for each, such as --weights {example}.",
        )
    if min(numbers) < 0 or not math.isclose(sum(numbers), 1, abs_tol=TOLERANCE):
        raise ConfigError(
            f"weights: found '{text}', sum {sum(numbers):g}.",
            f"Let each be at least 0 and their sum 1, such as --weights {example}.",
        )
    return torch.tensor([numbers], dtype=torch.float64)
