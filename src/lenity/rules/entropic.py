"""Risk-seeking linear scalarisation: the entropic utility of the weighted sum of advantages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lenity.rules.base import RULES
from lenity.rules.lenient import Lenient

if TYPE_CHECKING:
    from torch import Tensor

STEEPEST = 3.0  # larger exponents are cut, so a gain counts at most (e^3 - 1) / 3 = 6.4 times
FLAT = 1e-6  # below it (e^x - 1) / x is 1 + x / 2 to the last digit


@RULES.register("entropic")
class Entropic(Lenient):
    """Rectified advantage tau (exp(G / tau) - 1) with G = sum_j w_j A_j: gains count more and losses less.

    Ours, after the entropic utility of Howard & Matheson 1972. It forgives a loss of the whole coalition and does not look at
    who pays, so its sign is that of G. tau to infinity, or leniency 0, is linear scalarisation.

    >>> import torch
    >>> round(Entropic(temperature=1.0).rectify(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])).item(), 4)  # e - 1
    1.7183
    """

    paper = "ours, after Howard & Matheson 1972"
    equation = "τ (exp(Σ w_k A_k / τ) − 1)"
    temperature: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="tau; small is far from linear scalarisation"
    )

    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """1 - leniency (1 - (e^x - 1) / x) at x = G / tau, the same for all objectives, (..., K)."""
        total = (weights * advantages).sum(-1, keepdim=True)
        x = (total / self.temperature).clamp(max=STEEPEST)
        bent = x.abs() >= FLAT
        ratio = (x.expm1() / x.where(bent, 1.0)).where(bent, 1 + x / 2)
        return (1 - self.leniency * (1 - ratio)).expand_as(advantages)
