"""Linear scalarisation: the rule of MORLHF, and the paper's ablation "w/o filter"."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lenity.rules.base import RULES, AdvantageRule
from lenity.rules.presets import PLC_PAPER, Presets

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("linear")
class Linear(AdvantageRule):
    """Linear scalarisation of advantages, sum_k w_k A_k.

    >>> import torch
    >>> Linear().rectify(torch.tensor([1.0, -1.0]), torch.tensor([0.75, 0.25])).item()
    0.5
    """

    paper = "arXiv 2604.05965, ablation w/o filter"
    equation = "Σ w_k A_k"
    presets: ClassVar[Presets] = {"paper": PLC_PAPER}

    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The factors M = 1, (..., K)."""
        return advantages.new_ones(advantages.shape)
