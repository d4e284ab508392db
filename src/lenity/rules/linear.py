"""Linear scalarisation, the paper's ablation "w/o filter" and MORLHF's rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from lenity.rules.base import RULES, AdvantageRule
from lenity.rules.presets import PLC_PAPER, Presets
from lenity.rules.shared import Shared

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("linear")
class Linear(Shared, AdvantageRule):
    """sum_k w_k A_k.

    >>> import torch
    >>> Linear().rectify(torch.tensor([1.0, -1.0]), torch.tensor([0.75, 0.25])).item()
    0.5
    """

    paper = "arXiv 2604.05965, ablation w/o filter"
    equation = "Σ w_k A_k"
    presets: ClassVar[Presets] = {"paper": PLC_PAPER}

    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """All ones, (..., K)."""
        return advantages.new_ones(advantages.shape)

    def twin(self, weights: Mapping[str, float]) -> str | None:
        """SOLO, where all weight is on one objective; None for classes made of this one, which may compute otherwise."""
        return "solo" if type(self) is Linear and max(weights.values()) == 1 else None
