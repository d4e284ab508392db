"""Rules that are tried here first; none is registered, so no run can name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch
from pydantic import Field

from lenity.aggregation import PLC

if TYPE_CHECKING:
    from torch import Tensor

STEEPEST = 3.0  # exponents above are cut: a gain counts at most (e^3 - 1) / 3 = 6.4 times


class Pulse(PLC):
    """PLC whose leniency is 0 until ``begin``, whole until ``fall``, and falls in a line to 0 at ``end``.

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


class Bold(PLC):
    r"""Risk-seeking linear scalarisation: :math:`\tilde A = \tau (e^{G/\tau} - 1)` with G = sum_j w_j A_j, the gate aside.

    The entropic utility of the total: gains count more and losses less, without a look at which objective pays. What it escapes
    does not show that leniency between objectives is needed. Its sign is that of G; tau to infinity is linear scalarisation,
    and so is leniency 0.

    >>> import torch
    >>> round(Bold(temperature=1.0).rectify(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])).item(), 4)  # e - 1
    1.7183
    """

    def mask(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """(e^x - 1) / x at x = G / tau, the same for all objectives, (..., K)."""
        total = (weights * advantages).sum(-1, keepdim=True)
        x = (total / self.temperature).clamp(max=STEEPEST)
        small = x.abs() < 1e-6
        ratio = torch.where(small, 1 + x / 2, torch.expm1(x) / x.where(~small, 1.0))
        return (1 - self.leniency * (1 - ratio)).expand_as(advantages)
