"""The work of a run, counted in responses; :mod:`lenity.training.cost` converts it to seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ADVANTAGE_PASSES = 2  # the policy and its reference
BACKWARD = 2  # in forward passes
UPDATE_PASSES = 1 + BACKWARD  # forward and backward


@dataclass(frozen=True)
class Work:
    """The work of a run, counted in responses.

    Args:
        rows: lines of ``metrics.jsonl``.
        generated: responses sampled.
        scored: responses scored by every reward.
        forwards: forward passes; a backward pass counts as two.
        gradients: backward passes for a single objective.
        compared: parameters that those backward passes reach.
    """

    rows: int = 0
    generated: float = 0
    scored: float = 0
    forwards: float = 0
    gradients: float = 0
    compared: Literal["last_layer", "all"] = "all"
