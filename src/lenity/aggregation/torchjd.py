"""Any aggregator of TorchJD that weighs rows of the Jacobian (UPGrad, PCGrad, CAGrad, IMTL-G, ...)."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr

from lenity.aggregation.base import RULES, GradientRule
from lenity.aggregation.weight_free import WeightFree
from lenity.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("torchjd")
class TorchJD(WeightFree, GradientRule):
    """An aggregator of TorchJD (arXiv 2406.16232) by its class name: ``torchjd:UPGrad``.

    Preference weights reach aggregators that take a ``pref_vector``; the others ignore them.
    """

    shorthand = "aggregator"
    paper = "arXiv 2406.16232 and each aggregator's own"
    equation = "Σ a_k g_k, a by the aggregator"
    cost = "one run and one adapter a weighting; in all where the aggregator takes no pref_vector"

    aggregator: str = Field("UPGrad", description="class of torchjd.aggregation")
    arguments: dict[str, Any] = Field({}, description="its constructor's arguments")
    _instance: Any = PrivateAttr(None)

    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """What the aggregator's weighting gives for the Jacobian, (K,).

        Raises:
            ConfigError: no such aggregator, wrong arguments, a package it needs is missing, or it weighs no rows.
        """
        aggregator = self._instance or self._make()
        if not self.weight_free:
            aggregator.pref_vector = weights.to(jacobian)
        self._instance = aggregator  # some keep state from one step to the next
        longest = jacobian.norm(dim=1).max()
        scale = longest.where(longest > 0, 1.0)  # thresholds inside the library are absolute; ours are then relative
        found: Tensor = aggregator.weighting(jacobian / scale)
        return found

    @property
    def weight_free(self) -> bool:
        """Whether the aggregator takes no preference vector, or a fixed one."""
        return "pref_vector" not in inspect.signature(self._kind()).parameters or "pref_vector" in self.arguments

    def _kind(self) -> Any:
        try:
            from torchjd import aggregation
        except ImportError as error:
            raise ConfigError("method torchjd needs the package: pip install 'lenity[torchjd]'.") from error
        kinds = {name: kind for name, kind in vars(aggregation).items() if _weighs_rows(kind, aggregation)}
        if self.aggregator not in kinds:
            raise ConfigError(
                f"method.aggregator is '{self.aggregator}'; those of torchjd that weigh gradients are {', '.join(sorted(kinds))}."
            )
        return kinds[self.aggregator]

    def _make(self) -> Any:
        kind = self._kind()
        try:
            return kind(**self.arguments)
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigError(
                f"method.arguments {self.arguments} do not make torchjd's {self.aggregator}: {error}"
            ) from error


def _weighs_rows(kind: Any, aggregation: Any) -> bool:
    bases = {aggregation.WeightedAggregator, aggregation.GramianWeightedAggregator}
    return isinstance(kind, type) and issubclass(kind, aggregation.WeightedAggregator) and kind not in bases
