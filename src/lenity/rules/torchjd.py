"""Any aggregator of TorchJD that weighs rows of the Jacobian (UPGrad, PCGrad, CAGrad, IMTL-G, ...)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, JsonValue, PrivateAttr

from lenity.errors import ConfigError
from lenity.rules.base import RULES, GradientRule
from lenity.rules.weight_free import WeightFree

if TYPE_CHECKING:
    from torch import Tensor


@RULES.register("torchjd")
class TorchJD(WeightFree, GradientRule):
    """An aggregator of TorchJD (arXiv 2406.16232) by its class name: ``torchjd:UPGrad``.

    Preference weights reach aggregators that take a ``pref_vector``; the others ignore them. Aggregators that give no weights of
    rows (ConFIG, GradDrop, TrimmedMean) are refused: the update applies weights to the losses.
    """

    shorthand = "aggregator"
    paper = "arXiv 2406.16232 and each aggregator's own"
    equation = "Σ a_k g_k, a by the aggregator"
    cost = "one run and one adapter a weighting; in all where the aggregator takes no pref_vector"

    aggregator: str = Field("UPGrad", pattern=r"^\w+$", description="class of torchjd.aggregation")
    arguments: dict[str, JsonValue] = Field({}, description="its constructor's arguments")
    _instance: Any = PrivateAttr(None)
    _anew: dict[str, Any] = PrivateAttr(default_factory=dict)
    _saved: dict[str, Any] = PrivateAttr(default_factory=dict)

    def fresh(self, objectives: Sequence[str]) -> Self:
        """With an aggregator that has seen nothing yet.

        Raises:
            ConfigError: no such aggregator, wrong arguments, a package it needs is missing, or it weighs no rows.
        """
        copy = self.model_copy()
        copy._saved = {}
        copy._begin(len(objectives))
        return copy

    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """What the aggregator's weighting gives for the Jacobian, (K,); without gradients 0, for one objective 1.

        Raises:
            ConfigError: as :meth:`fresh`.
        """
        import torch

        longest = jacobian.norm(dim=1).max()
        if len(jacobian) == 1 or not longest > 0:
            return weights.new_full((len(jacobian),), float(longest > 0)).to(jacobian)
        if self._instance is None:
            self._begin(len(jacobian))
        aggregator = self._instance  # some keep state from one step to the next
        if not self.weight_free:
            aggregator.pref_vector = weights.to(device=jacobian.device, dtype=torch.float64)
        # thresholds inside the library are absolute, ours are then relative; products of unlike lengths need the double range
        matrix = jacobian.double() / longest.double()
        if self._saved:
            self._go_on(matrix)
        found: Tensor = aggregator.weighting(matrix)
        return found.to(jacobian)

    def state(self) -> dict[str, Tensor]:
        """What the aggregator has come to keep (NashMTL, GradVac, ...), by module and name; its settings are none of it."""
        if self._saved:
            return dict(self._saved)
        return {name: value for name, value in self._numbers().items() if not _equal(value, self._anew.get(name))}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put them back, once there is a Jacobian: some aggregators make what they need at their first call, in its shape."""
        self._saved = {name: value.clone() for name, value in state.items()}  # aggregators change theirs in place

    def _go_on(self, matrix: Tensor) -> None:
        """Have the aggregator see ``matrix`` once, and then forget it for what was saved."""
        import torch

        with torch.random.fork_rng():
            self._instance.weighting(matrix)
        known = self._anew | self._saved
        for place, module in self._modules():
            for name, value in _kept(module).items():
                setattr(module, name, _like(value, known.get(f"{place}.{name}")))
        self._saved = {}

    def _begin(self, objectives: int) -> None:
        self._instance = self._make(objectives)
        self._anew = self._numbers()

    def _numbers(self) -> dict[str, Tensor]:
        """Copies of the numbers, arrays and tensors in the aggregator as it is."""
        import torch

        return {
            f"{place}.{name}": torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None).clone()
            for place, module in self._modules()
            for name, value in _kept(module).items()
        }

    def _modules(self) -> list[tuple[str, Any]]:
        return list(self._instance.named_modules()) if self._instance is not None else []

    @property
    def weight_free(self) -> bool:
        """Whether the aggregator takes no preference vector, or a fixed one."""
        return "pref_vector" not in inspect.signature(self._kind()).parameters or "pref_vector" in self.arguments

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


def _kept(module: Any) -> dict[str, Any]:
    """Attributes of an aggregator's module that a checkpoint can hold."""
    import numpy as np

    plain = {name: value for name, value in vars(module).items() if isinstance(value, (bool, int, float, np.ndarray))}
    return plain | dict(module.named_buffers(recurse=False))


def _equal(one: Tensor, other: Tensor | None) -> bool:
    import torch

    return other is not None and one.dtype == other.dtype and torch.equal(one, other)


def _like(value: Any, saved: Tensor | None) -> Any:
    """``saved`` as the kind of thing that ``value`` is."""
    import numpy as np
    import torch

    if saved is None or isinstance(value, torch.Tensor):
        return saved
    return saved.numpy() if isinstance(value, np.ndarray) else saved.item()


def _tensor(value: Any) -> Any:
    """A list of numbers as the tensor that aggregators take; YAML has none."""
    import torch

    return torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value


def _weighs_rows(kind: Any, aggregation: Any) -> bool:
    bases = {aggregation.WeightedAggregator, aggregation.GramianWeightedAggregator}
    return isinstance(kind, type) and issubclass(kind, aggregation.WeightedAggregator) and kind not in bases
