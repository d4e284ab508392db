"""Risk-seeking linear scalarisation: the entropic utility of the weighted sum of advantages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lenity.rules.base import RULES
from lenity.rules.lenient import Lenient

if TYPE_CHECKING:
    from torch import Tensor

STEEPEST = 3.0  # exponents are clamped to this, so that a gain counts at most (e^3 - 1) / 3 = 6.4 times
FLAT = 1e-6  # for smaller |x|, (e^x - 1) / x equals 1 + x / 2 in float32


@RULES.register("entropic")
class Entropic(Lenient):
    """Rectified advantage tau (exp(G / tau) - 1) with G = sum_j w_j A_j: gains count more and losses less.

    Our own rule, after the entropic utility of Howard & Matheson 1972. It depends on the objectives only through G: a negative G
    counts less, whichever objective loses, and the rectified advantage has the sign of G. The limit tau to infinity, and leniency 0,
    are linear scalarisation.

    >>> import torch
    >>> round(Entropic(temperature=1.0).rectify(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])).item(), 4)  # e - 1
    1.7183
    """

    paper = "ours, after Howard & Matheson 1972"
    equation = "τ (exp(Σ w_k A_k / τ) − 1)"
    temperature: float = Field(
        2.0,
        gt=0,
        allow_inf_nan=False,
        description="tau; the smaller it is, the more the rule differs from linear scalarisation",
    )

    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The factors M = 1 - leniency (1 - (e^x - 1) / x) at x = G / tau, equal for all objectives, (..., K)."""
        total = (weights * advantages).sum(-1, keepdim=True)
        x = (total / self.temperature).clamp(max=STEEPEST)
        away_from_zero = x.abs() >= FLAT
        ratio = (x.expm1() / x.where(away_from_zero, 1.0)).where(away_from_zero, 1 + x / 2)
        return (1 - self.leniency * (1 - ratio)).expand_as(advantages)
