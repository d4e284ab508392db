"""Definitions 1-3 of the PLC paper: the kind of equilibrium of a policy, from its exact gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from lenity.rules.gradient import min_norm

Kind = Literal["not stationary", "risk-averse", "consensus"]


@dataclass(frozen=True)
class Equilibrium:
    """The classification of a point by its gradients.

    Args:
        residual: length of the shortest vector in the convex hull of the gradients; 0 at a Pareto-stationary point (Def. 1).
        surplus: what the others could gain by leaving objective i out, for each i, (K,).
        kind: ``risk-averse`` (Def. 2): stationary, and some surplus exceeds epsilon; ``consensus`` (Def. 3): none does.
    """

    residual: float
    surplus: Tensor
    kind: Kind


def classify(
    jacobian: Float[Tensor, "K N"], weights: Float[Tensor, " K"], epsilon: float = 1e-3, tolerance: float = 1e-6
) -> Equilibrium:
    """The kind of a point.

    Args:
        jacobian: the gradient of each objective, (K, N).
        weights: (K,), at least 0, sum 1.
        epsilon: largest latent surplus that counts as zero.
        tolerance: largest residual that counts as stationary.
    """
    residual = float((min_norm(jacobian) @ jacobian).norm())
    surplus = latent_surplus(jacobian, weights)
    if residual > tolerance:
        return Equilibrium(residual, surplus, "not stationary")
    return Equilibrium(residual, surplus, "risk-averse" if float(surplus.max()) > epsilon else "consensus")


def latent_surplus(jacobian: Float[Tensor, "... K N"], weights: Float[Tensor, "... K"]) -> Float[Tensor, "... K"]:
    """The latent surplus for each i: max over ||d|| <= 1 of sum_{j != i} w_j <grad J_j, d> = ||sum_{j != i} w_j grad J_j||.

    For K > 1, all K surpluses are 0 only if every w_i grad J_i is 0: their vectors sum to (K - 1) times the linear gradient g, and
    differ from g by w_i grad J_i. At a consensus equilibrium, each objective alone is therefore stationary; any conflict makes a
    point "risk-averse", even if it is Pareto-optimal.
    """
    weighted = weights.unsqueeze(-1) * jacobian
    surplus: Tensor = (weighted.sum(-2, keepdim=True) - weighted).norm(dim=-1)
    return surplus
