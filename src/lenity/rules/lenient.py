"""What rules share that make losses count less: a temperature, a leniency, and how it falls to 0 over training."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field

from lenity.rules.base import AdvantageRule


class Lenient(AdvantageRule):
    """A rule that is linear scalarisation at leniency 0.

    Leniency falls to 0 by default: held constant, it was worse than linear scalarisation (docs/results/leniency.md).
    """

    temperature: float = Field(0.1, gt=0, allow_inf_nan=False, description="tau; small forgives sharply")
    leniency: float = Field(1.0, ge=0, le=1, description="lambda; 0 is linear scalarisation, 1 the whole rule")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="how leniency falls to 0 over training, or constant"
    )
    schedule_end: float = Field(
        0.6, gt=0, le=1, description="fraction of training at which leniency reaches 0 (linear, cosine)"
    )

    def at(self, progress: float) -> Self:
        """The rule with the leniency its schedule gives at ``progress``."""
        if self.schedule == "constant":
            return self
        done = min(progress / self.schedule_end, 1.0)
        left = 1 - done if self.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
        return self.model_copy(update={"leniency": self.leniency * left})
