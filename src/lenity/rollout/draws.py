"""The random numbers of sampling: one per response and token, so that a response does not depend on where it is generated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Uniform random numbers in [0, 1) for the tokens of B responses, drawn on the CPU, so that they do not depend on the device.

    Args:
        uniform: the t-th token of row i takes ``uniform[t, i]``, (T, B).
    """

    uniform: Float[Tensor, "T B"]

    @classmethod
    def of(cls, rows: int, tokens: int) -> Draws:
        """Numbers from the current random state, for ``rows`` responses of at most ``tokens`` tokens."""
        return cls(torch.rand(tokens, rows, dtype=torch.float64))

    def __getitem__(self, rows: slice | list[int]) -> Draws:
        """The numbers of ``rows``."""
        return Draws(self.uniform[:, rows])
