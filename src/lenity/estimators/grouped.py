"""The returns of responses, grouped by prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Tensor


class Grouped(NamedTuple):
    """Undiscounted returns R = sum_t r_t of n responses per prompt; ``counted`` are those with a score, ``number`` how many per prompt."""

    returns: Float[Tensor, "P n K"]
    counted: Bool[Tensor, "P n K"]
    number: Int[Tensor, "P 1 K"]

    @classmethod
    def of(cls, rewards: Float[Tensor, "B T K"], valid_tokens: Bool[Tensor, "B T #K"], size: int) -> Self:
        """The groups of a batch whose responses to one prompt are ``size`` neighbouring rows."""
        returns = rewards.where(valid_tokens, 0.0).sum(1).reshape(-1, size, rewards.shape[2])
        counted = valid_tokens.any(1).reshape(-1, size, valid_tokens.shape[2])
        return cls(returns, counted, counted.sum(1, keepdim=True))

    def mean(self, values: Float[Tensor, "P n K"]) -> Float[Tensor, "P 1 K"]:
        """The mean over the scored responses of each prompt; ``values`` must be 0 for the others."""
        return values.sum(1, keepdim=True) / self.number.clamp(min=1)

    def centred(self) -> Float[Tensor, "P n K"]:
        """Each return minus the mean return of its prompt; 0 for responses without a score."""
        return (self.returns - self.mean(self.returns)).where(self.counted, 0.0)


def by_token(advantages: Float[Tensor, "P n K"], valid_tokens: Bool[Tensor, "B T #K"]) -> Float[Tensor, "B T K"]:
    """Each response's advantage at its valid tokens, 0 at the others."""
    return advantages.flatten(0, 1).unsqueeze(1).where(valid_tokens, 0.0)
