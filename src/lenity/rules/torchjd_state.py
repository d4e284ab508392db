"""The state of a TorchJD aggregator as tensors: read from it after a step, put back into a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lenity.rules.memory import Memory

if TYPE_CHECKING:
    from torch import Tensor


class Live:
    """A new aggregator that goes on from ``memory``."""

    def __init__(self, aggregator: Any, memory: Memory) -> None:
        self.aggregator = aggregator
        self._anew = self._numbers()
        self._memory = memory

    def weighting(self, matrix: Tensor) -> Tensor:
        """What the aggregator gives for the rows of ``matrix``, (K,) from (K, N)."""
        if self._memory:
            self._go_on(matrix)
        found: Tensor = self.aggregator.weighting(matrix)
        return found

    def memory(self) -> Memory:
        """What the aggregator has come to keep since it was new, by module and name."""
        return {name: value for name, value in self._numbers().items() if not _equal(value, self._anew.get(name))}

    def _go_on(self, matrix: Tensor) -> None:
        """Let the aggregator see ``matrix`` once, as some make what they need at their first call; then set it to its memory."""
        import torch

        with torch.random.fork_rng():
            self.aggregator.weighting(matrix)
        known = self._anew | {name: value.clone() for name, value in self._memory.items()}  # aggregators change theirs
        for place, module in self.aggregator.named_modules():
            for name, value in _kept(module).items():
                setattr(module, name, _like(value, known.get(f"{place}.{name}")))
        self._memory = {}

    def _numbers(self) -> dict[str, Tensor]:
        """Copies of the numbers, arrays and tensors in the aggregator as it is."""
        import torch

        return {
            f"{place}.{name}": torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None).clone()
            for place, module in self.aggregator.named_modules()
            for name, value in _kept(module).items()
        }


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
