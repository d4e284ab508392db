"""Experimental rules; none is registered, so no run can use them."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from lenity.rules import PLC


class Pulse(PLC):
    """PLC whose leniency is 0 until ``begin``, full until ``fall``, and then decreases linearly to 0 at ``end``.

    Linear scalarisation settles first, so leniency changes the path only from where that stopped; then linear scalarisation
    settles again. Where nothing was escaped, both end at the same optimum.
    """

    begin: float = Field(0.3, ge=0, lt=1, description="fraction of training at which leniency starts")
    fall: float = Field(0.7, ge=0, lt=1, description="fraction at which it begins to fall")
    end: float = Field(0.8, gt=0, le=1, description="fraction at which it is 0 again")

    def at(self, progress: float) -> Self:
        """The rule with the leniency of the pulse at ``progress``."""
        left = min(1.0, max(0.0, (self.end - progress) / (self.end - self.fall)))
        return self.model_copy(update={"leniency": self.leniency * left if progress >= self.begin else 0.0})
