"""The chance in sampling: one uniform number a response and token, so that a response is the same wherever it is generated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Numbers of [0, 1) for the tokens of B responses, on the CPU, so that a device does not matter.

    Args:
        uniform: the t-th token of row i takes ``uniform[t, i]``, (T, B).
    """

    uniform: Float[Tensor, "T B"]

    @classmethod
    def of(cls, rows: int, tokens: int) -> Draws:
        """From the random state as it is, for ``rows`` responses of at most ``tokens`` tokens."""
        return cls(torch.rand(tokens, rows, dtype=torch.float64))

    def __getitem__(self, rows: slice | list[int]) -> Draws:
        """Those of some rows, the same whatever the others are."""
        return Draws(self.uniform[:, rows])
