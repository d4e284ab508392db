"""The state of a TorchJD aggregator as tensors: read from it after a step, restored into a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lenity.rules.memory import Memory

if TYPE_CHECKING:
    from torch import Tensor


class Live:
    """A new aggregator that continues from the state in ``memory``."""

    def __init__(self, aggregator: Any, memory: Memory) -> None:
        self.aggregator = aggregator
        self._initial = self._numbers()
        self._memory = memory

    def weighting(self, matrix: Tensor) -> Tensor:
        """The aggregator's weights of the rows of ``matrix``, (K,) from (K, N)."""
        if self._memory:
            self._restore(matrix)
        weights: Tensor = self.aggregator.weighting(matrix)
        return weights

    def memory(self) -> Memory:
        """The aggregator's values that differ from those of a new aggregator, by module and name."""
        return {name: value for name, value in self._numbers().items() if not _equal(value, self._initial.get(name))}

    def _restore(self, matrix: Tensor) -> None:
        """Call the aggregator once on ``matrix``, because some create their state in the first call; then load the memory into it."""
        import torch

        with torch.random.fork_rng():
            self.aggregator.weighting(matrix)
        state = self._initial | {
            name: value.clone() for name, value in self._memory.items()
        }  # aggregators change it in place
        for place, module in self.aggregator.named_modules():
            for name, value in _kept(module).items():
                setattr(module, name, _like(value, state.get(f"{place}.{name}")))
        self._memory = {}

    def _numbers(self) -> dict[str, Tensor]:
        """Copies of the numbers, arrays and tensors in the aggregator's current state, by module and name."""
        import torch

        return {
            f"{place}.{name}": torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None).clone()
            for place, module in self.aggregator.named_modules()
            for name, value in _kept(module).items()
        }


def _kept(module: Any) -> dict[str, Any]:
    """The attributes of an aggregator's module that a checkpoint can store."""
    import numpy as np

    plain = {name: value for name, value in vars(module).items() if isinstance(value, (bool, int, float, np.ndarray))}
    return plain | dict(module.named_buffers(recurse=False))


def _equal(one: Tensor, other: Tensor | None) -> bool:
    import torch

    return other is not None and one.dtype == other.dtype and torch.equal(one, other)


def _like(value: Any, saved: Tensor | None) -> Any:
    """``saved``, converted to the type of ``value``."""
    import numpy as np
    import torch

    if saved is None or isinstance(value, torch.Tensor):
        return saved
    return saved.numpy() if isinstance(value, np.ndarray) else saved.item()
