"""Tchebycheff scalarisation of advantages: only the objective with the smallest weighted advantage counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenity.rules.base import RULES, AdvantageRule

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("tchebycheff")
class Tchebycheff(AdvantageRule):
    """The smallest weighted advantage min_k w_k A_k over objectives of positive weight, the per-token form of Tchebycheff scalarisation.

    Miettinen 1999, *Nonlinear Multiobjective Optimization*, with the ideal point at advantage 0.

    >>> import torch
    >>> Tchebycheff().rectify(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.5])).item()
    -0.5
    """

    paper = "Miettinen 1999"
    equation = "min_k w_k A_k"

    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The factors M, (..., K): 1 at the smallest w_k A_k, divided evenly among ties, 0 elsewhere."""
        weighted = weights * advantages
        active = (weights > 0).expand_as(weighted)
        worst = weighted.where(active, weighted.new_tensor(float("inf"))).amin(-1, keepdim=True)
        chosen = ((weighted == worst) & active).to(weighted)
        return chosen / chosen.sum(-1, keepdim=True)
