"""Any aggregator of TorchJD that weighs rows of the Jacobian (UPGrad, PCGrad, CAGrad, IMTL-G, ...)."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue

from lenity.errors import ConfigError
from lenity.rules.base import RULES, GradientRule
from lenity.rules.memory import Memory
from lenity.rules.torchjd_state import Live

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("torchjd")
class TorchJD(GradientRule):
    """An aggregator of TorchJD (arXiv 2406.16232) by its class name: ``torchjd:UPGrad``.

    Aggregators with a ``pref_vector`` use the preference weights; the others ignore them. Aggregators that do not compute one weight
    per row (ConFIG, GradDrop, TrimmedMean) are refused, because the update applies the weights to the losses.
    """

    shorthand = "aggregator"
    paper = "arXiv 2406.16232 and each aggregator's own"
    equation = "Σ a_k g_k, a by the aggregator"

    aggregator: str = Field("UPGrad", pattern=r"^\w+$", description="name of a class in torchjd.aggregation")
    arguments: dict[str, JsonValue] = Field({}, description="arguments of the aggregator's constructor")

    def initial_memory(self, objectives: Sequence[str]) -> Memory:
        """The empty memory of a new aggregator; constructing one checks the settings.

        Raises:
            ConfigError: the aggregator does not exist, its arguments are wrong, a package that it needs is missing, or it computes no
                weights of rows.
        """
        self._make(len(objectives))
        return {}

    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The weights of the Jacobian's rows by a new aggregator, (K,); 0 if all gradients are 0, 1 for a single objective.

        Raises:
            ConfigError: as :meth:`initial_memory`.
        """
        return self.step(jacobian, weights, {})[0]

    def step(self, jacobian: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The weights of the rows, (K,), by an aggregator with the state in ``memory`` (NashMTL, GradVac, ...), and its new state.

        The aggregator's settings are not part of the memory.
        """
        import torch

        longest = jacobian.norm(dim=1).max()
        if len(jacobian) == 1 or not longest > 0:
            return weights.new_full((len(jacobian),), float(longest > 0)).to(jacobian), memory
        live = (memory.take(self) if isinstance(memory, _Kept) else None) or Live(self._make(len(jacobian)), memory)
        if self.uses_weights:
            live.aggregator.pref_vector = weights.to(device=jacobian.device, dtype=torch.float64)
        # TorchJD's thresholds are absolute: the division makes them relative. Products of very different lengths need float64's range
        row_weights = live.weighting(jacobian.double() / longest.double())
        return row_weights.to(jacobian), _Kept(live.memory(), self, live)

    @property
    def uses_weights(self) -> bool:
        """Whether the aggregator takes a preference vector that ``arguments`` does not fix."""
        return "pref_vector" in inspect.signature(self._kind()).parameters and "pref_vector" not in self.arguments

    def _kind(self) -> Any:
        try:
            from torchjd import aggregation
        except ImportError as error:
            raise ConfigError(
                "method torchjd needs the package torchjd.", "Install it: pip install 'lenity[torchjd]'."
            ) from error
        kinds = {name: kind for name, kind in vars(aggregation).items() if _weighs_rows(kind, aggregation)}
        if self.aggregator not in kinds:
            raise ConfigError(
                f"method.aggregator is '{self.aggregator}', which is not an aggregator of torchjd that weighs gradients.",
                f"Use one of: {', '.join(sorted(kinds))}.",
            )
        return kinds[self.aggregator]

    def _make(self, objectives: int) -> Any:
        kind = self._kind()
        arguments = {name: _tensor(value) for name, value in self.arguments.items()}
        own = {"n_tasks": objectives} if "n_tasks" in inspect.signature(kind).parameters else {}
        if (tasks := arguments.get("n_tasks", objectives)) != objectives:
            raise ConfigError(
                f"method.arguments.n_tasks is {tasks}, but there are {objectives} objectives.", "Leave it out."
            )
        try:
            return kind(**own | arguments)
        except (TypeError, ValueError, AttributeError, ImportError) as error:
            raise ConfigError(
                f"torchjd's {self.aggregator} cannot be built with method.arguments {self.arguments}: {error}",
                "Correct them; if a package is missing: pip install 'lenity[torchjd]'.",
            ) from error


class _Kept(dict[str, "Tensor"]):
    """A memory with the aggregator that it was read from, which the next step reuses, once and for the same settings only."""

    def __init__(self, memory: Memory, rule: TorchJD, live: Live) -> None:
        super().__init__(memory)
        self._live: tuple[TorchJD, Live] | None = (rule, live)

    def take(self, rule: TorchJD) -> Live | None:
        """The aggregator, if it still has the state of this memory and the settings of ``rule``; None otherwise."""
        (owner, live), self._live = self._live or (None, None), None
        return live if owner == rule else None


def _tensor(value: Any) -> Any:
    """``value``, with a list of numbers as a tensor, which YAML cannot express."""
    import torch

    return torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value


def _weighs_rows(kind: Any, aggregation: Any) -> bool:
    bases = {aggregation.WeightedAggregator, aggregation.GramianWeightedAggregator}
    return isinstance(kind, type) and issubclass(kind, aggregation.WeightedAggregator) and kind not in bases
