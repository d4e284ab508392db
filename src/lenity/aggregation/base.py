"""What a rule is: K objectives' advantages and their weights -> one advantage."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Self

from lenity.config.base import Section
from lenity.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

RULES: Registry[AdvantageRule] = Registry(
    "method", "lenity.rules", ("lenity.aggregation.linear", "lenity.aggregation.lenient")
)


class AdvantageRule(Section):
    """A rule that needs one backward pass: it combines advantages, not gradients. Its fields are its hyper-parameters."""

    @abc.abstractmethod
    def mask(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """How much of each objective's advantage counts.

        Args:
            advantages: (..., K), everything maximised.
            weights: (K,) or (..., K), at least 0, sum 1.

        Returns:
            (..., K), in [0, 1].
        """

    def rectify(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The scalar advantage sum_k w_k M_k A_k, shape (...) from (..., K)."""
        return (weights * self.mask(advantages, weights) * advantages).sum(-1)

    def at(self, progress: float) -> Self:
        """The rule at a fraction ``progress`` in [0, 1] of training."""
        return self
