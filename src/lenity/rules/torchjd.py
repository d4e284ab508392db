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

    Preference weights reach aggregators that take a ``pref_vector``; the others ignore them. Aggregators that give no weights of
    rows (ConFIG, GradDrop, TrimmedMean) are refused: the update applies weights to the losses.
    """

    shorthand = "aggregator"
    paper = "arXiv 2406.16232 and each aggregator's own"
    equation = "Σ a_k g_k, a by the aggregator"

    aggregator: str = Field("UPGrad", pattern=r"^\w+$", description="class of torchjd.aggregation")
    arguments: dict[str, JsonValue] = Field({}, description="its constructor's arguments")

    def initial_memory(self, objectives: Sequence[str]) -> Memory:
        """Of an aggregator that has seen nothing yet.

        Raises:
            ConfigError: no such aggregator, wrong arguments, a package it needs is missing, or it weighs no rows.
        """
        self._make(len(objectives))
        return {}

    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """What a new aggregator's weighting gives for the Jacobian, (K,); without gradients 0, for one objective 1.

        Raises:
            ConfigError: as :meth:`initial_memory`.
        """
        return self.step(jacobian, weights, {})[0]

    def step(self, jacobian: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """As :meth:`combination`, by the aggregator as ``memory`` has it (NashMTL, GradVac, ...), whose settings are none of it."""
        import torch

        longest = jacobian.norm(dim=1).max()
        if len(jacobian) == 1 or not longest > 0:
            return weights.new_full((len(jacobian),), float(longest > 0)).to(jacobian), memory
        live = (memory.take(self) if isinstance(memory, _Kept) else None) or Live(self._make(len(jacobian)), memory)
        if self.uses_weights:
            live.aggregator.pref_vector = weights.to(device=jacobian.device, dtype=torch.float64)
        # thresholds inside the library are absolute, ours are then relative; products of unlike lengths need the double range
        found = live.weighting(jacobian.double() / longest.double())
        return found.to(jacobian), _Kept(live.memory(), self, live)

    @property
    def uses_weights(self) -> bool:
        """Whether the aggregator takes a preference vector, and no fixed one."""
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
                f"method.aggregator is '{self.aggregator}', which is none of torchjd's that weigh gradients.",
                f"Use one of: {', '.join(sorted(kinds))}.",
            )
        return kinds[self.aggregator]

    def _make(self, objectives: int) -> Any:
        kind = self._kind()
        arguments = {name: _tensor(value) for name, value in self.arguments.items()}
        own = {"n_tasks": objectives} if "n_tasks" in inspect.signature(kind).parameters else {}
        if (tasks := arguments.get("n_tasks", objectives)) != objectives:
            raise ConfigError(
                f"method.arguments.n_tasks is {tasks} and there are {objectives} objectives.", "Leave it out."
            )
        try:
            return kind(**own | arguments)
        except (TypeError, ValueError, AttributeError, ImportError) as error:
            raise ConfigError(
                f"method.arguments {self.arguments} do not make torchjd's {self.aggregator}: {error}",
                "Correct them; if a package is missing: pip install 'lenity[torchjd]'.",
            ) from error


class _Kept(dict[str, "Tensor"]):
    """A memory with the aggregator that it was read from, which goes on with it, once and for the same settings, instead of a new one."""

    def __init__(self, memory: Memory, rule: TorchJD, live: Live) -> None:
        super().__init__(memory)
        self._live: tuple[TorchJD, Live] | None = (rule, live)

    def take(self, rule: TorchJD) -> Live | None:
        """The aggregator, where it is still as this memory has it and has the settings of ``rule``."""
        (owner, live), self._live = self._live or (None, None), None
        return live if owner == rule else None


def _tensor(value: Any) -> Any:
    """A list of numbers as the tensor that aggregators take; YAML has none."""
    import torch

    return torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value


def _weighs_rows(kind: Any, aggregation: Any) -> bool:
    bases = {aggregation.WeightedAggregator, aggregation.GramianWeightedAggregator}
    return isinstance(kind, type) and issubclass(kind, aggregation.WeightedAggregator) and kind not in bases
