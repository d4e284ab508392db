"""The base class of rules that reduce the effect of losses: temperature, leniency, and the schedule by which leniency falls to 0."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field

from lenity.rules.base import AdvantageRule


class Lenient(AdvantageRule):
    """A rule that equals linear scalarisation at leniency 0.

    By default leniency falls to 0 during training: a constant leniency gave worse results than linear scalarisation
    (docs/results/leniency.md).
    """

    temperature: float = Field(
        0.1, gt=0, allow_inf_nan=False, description="tau; the smaller it is, the closer the gate is to a step function"
    )
    leniency: float = Field(
        1.0, ge=0, le=1, description="lambda; 0 is linear scalarisation, 1 applies the rule in full"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="how leniency falls to 0 during training; constant: it does not"
    )
    schedule_end: float = Field(
        0.6, gt=0, le=1, description="fraction of training at which leniency reaches 0 (linear, cosine)"
    )

    def at(self, progress: float) -> Self:
        """The rule with the leniency that the schedule gives at ``progress``, the fraction of training done, in [0, 1]."""
        if self.schedule == "constant":
            return self
        done = min(progress / self.schedule_end, 1.0)
        left = 1 - done if self.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
        return self.model_copy(update={"leniency": self.leniency * left})
