"""What a run takes, counted in responses; :mod:`lenity.training.cost` turns it into seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ADVANTAGE_PASSES = 2  # the policy and its reference
BACKWARD = 2  # in forwards
UPDATE_PASSES = 1 + BACKWARD  # forward and backward


@dataclass(frozen=True)
class Work:
    """What a run takes, in responses.

    Args:
        rows: lines of ``metrics.jsonl``.
        generated: responses sampled.
        scored: responses given to every reward.
        forwards: responses through the model once; a backward pass counts as two.
        gradients: backward passes of single objectives, in responses.
        compared: the parameters that those reach.
    """

    rows: int = 0
    generated: float = 0
    scored: float = 0
    forwards: float = 0
    gradients: float = 0
    compared: Literal["last_layer", "all"] = "all"
