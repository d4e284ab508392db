"""Pareto-Lenient Consensus (PLC), arXiv 2604.05965, eq. 7-9: a loss on one objective counts less when the others gain enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lenity.rules.base import RULES
from lenity.rules.lenient import Lenient
from lenity.rules.presets import PLC_PAPER, Presets

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("plc")
class PLC(Lenient):
    """Rectified advantage sum_k w_k M_k A_k, with M_k = 1 where A_k >= 0, and M_k = 1 - leniency (1 - gate) where A_k < 0.

    S_k = sum_{j != k} w_j A_j is the surplus of the other objectives (eq. 7), and tau the temperature. The gates are

    - ``sigmoid``: sigma(-S_k / tau), as in the paper's text; 1/2 at S_k = 0.
    - ``centered``: 2 sigma(-max(S_k, 0) / tau); 1 where the others gain nothing, as Lemma 2 requires.
    - ``net``: 2 sigma(-max(sum_j w_j A_j, 0) / tau), our own; below 1 only where the weighted sum of all advantages is positive,
      so that the rectified advantage has the sign of the linear one.

    Leniency 0 is exactly linear scalarisation.

    >>> import torch
    >>> PLC(gate="net").objective_scale(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.5])).tolist()
    [1.0, 1.0]
    """

    paper = "arXiv 2604.05965, eqs. 7-9"
    equation = "Σ w_k M_k A_k, M_k = 1 − λ (1 − gate) where A_k < 0"
    presets: ClassVar[Presets] = {
        "paper": {
            **PLC_PAPER,
            "method": {"gate": "sigmoid", "temperature": 0.5, "leniency": 1.0, "schedule": "constant"},
        }
    }

    gate: Literal["sigmoid", "centered", "net"] = Field(
        "sigmoid", description="function that sets how much of a negative advantage counts"
    )

    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The factors M, (..., K), in [0, 1]."""
        weighted = weights * advantages
        total = weighted.sum(-1, keepdim=True)
        if self.gate == "sigmoid":
            gate = (-(total - weighted) / self.temperature).sigmoid()
        elif self.gate == "centered":
            gate = 2 * (-(total - weighted).clamp(min=0) / self.temperature).sigmoid()
        else:
            gate = (2 * (-total.clamp(min=0) / self.temperature).sigmoid()).expand_as(advantages)
        return (1 - self.leniency * (1 - gate)).where(advantages < 0, advantages.new_ones(()))
