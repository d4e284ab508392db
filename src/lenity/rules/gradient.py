"""MGDA, GAPO and P-GAPO: rules over the objectives' gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lenity.rules.base import RULES, GradientRule
from lenity.rules.presets import GAPO_PAPER, Presets

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("mgda")
class MGDA(GradientRule):
    """The shortest vector in the convex hull of the gradients, argmin_{a in simplex} ||sum_k a_k g_k||^2.

    Désidéri 2012, C. R. Acad. Sci. Paris 350. The preference weights have no effect.

    >>> import torch
    >>> MGDA().combination(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0.5, 0.5])).tolist()
    [0.5, 0.5]
    """

    paper = "Désidéri 2012"
    equation = "Σ a_k g_k, a = argmin over the simplex of ‖Σ a_k g_k‖²"
    presets: ClassVar[Presets] = {"paper": GAPO_PAPER}

    @property
    def uses_weights(self) -> bool:
        """False: the coefficients do not depend on the preference weights."""
        return False

    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The coefficients a, (K,), in the simplex."""
        return min_norm(jacobian)


@RULES.register("gapo")
class GAPO(GradientRule):
    """MGDA on gradients divided by ||g_k||^p (GAPO, arXiv 2507.01915).

    The preference weights have no effect. If one objective's gradient is 0, the whole step is 0.
    """

    shorthand = "power"
    paper = "arXiv 2507.01915"
    equation = "Σ a_k ḡ_k, ḡ_k = g_k / ‖g_k‖^p, a as in mgda on ḡ"
    presets: ClassVar[Presets] = {"paper": GAPO_PAPER}

    power: Literal[1, 2] = Field(
        1, description="p: 1 scales all gradients to length 1, 2 favours objectives with short gradients"
    )

    @property
    def uses_weights(self) -> bool:
        """False: the coefficients do not depend on the preference weights."""
        return False

    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The coefficients a_k / ||g_k||^p, (K,)."""
        scales = _inverse(jacobian.norm(dim=1) ** self.power)
        return min_norm(scales.unsqueeze(1) * jacobian) * scales


@RULES.register("p-gapo")
class PGAPO(GradientRule):
    """The weighted sum of normalised gradients, sum_k w_k g_k / ||g_k||: GAPO with preference weights in place of MGDA (arXiv 2507.01915)."""

    paper = "arXiv 2507.01915"
    equation = "Σ w_k g_k / ‖g_k‖"
    presets: ClassVar[Presets] = {"paper": GAPO_PAPER}

    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The coefficients w_k / ||g_k||, (K,)."""
        return weights * _inverse(jacobian.norm(dim=1))


def min_norm(jacobian: Tensor) -> Tensor:
    r"""The coefficients of the shortest vector in the convex hull of the rows, (K,) from (K, N).

    With :math:`J^\top = Q R`, the simplex problem :math:`\min \|R a\|^2` has the solution of the non-negative
    least-squares problem :math:`\min_{x \ge 0} \|R x\|^2 + (1 - \sum x)^2`, divided by its sum: along a ray x = s a the smallest
    value is an increasing function of ||R a||. Lawson and Hanson's active-set solver finds the exact face of the simplex.
    """
    import numpy as np
    import torch
    from scipy.optimize import nnls

    rows = jacobian.detach().double()
    largest = rows.abs().max().clamp(min=torch.finfo(torch.float64).tiny)
    root = torch.linalg.qr((rows / largest).T, mode="r").R.cpu().numpy()
    stacked = np.vstack([root, np.ones(len(rows))])
    solution, _ = nnls(stacked, np.append(np.zeros(len(root)), 1.0))
    return torch.from_numpy(solution / solution.sum()).to(jacobian)


def _inverse(lengths: Tensor) -> Tensor:
    return (1 / lengths).where(lengths > 0, lengths.new_zeros(()))
