"""Reward noise for studies of robustness (PLC, arXiv 2604.05965, eq. 34): some scores are lowered by how good a partner's is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from lenity.config.sections import RewardNoise


def noisy(standardised: Float[Tensor, "B K"], settings: RewardNoise, seed: int) -> Float[Tensor, "B K"]:
    r"""r_k - delta sigma(r_j) in a random ``fraction`` of the rows, delta ~ U(low, high); the other rows as they are.

    The paper leaves the partner open where K > 2: here j is drawn evenly among the other objectives, for each row and k anew, so
    that no objective is treated otherwise for its place. delta is drawn for each row and k too. All partners are taken clean,
    and one without a score lowers nothing.

    Args:
        standardised: r, of order 1, NaN where there is no score, (B, K), K > 1.
        settings: fraction, low and high.
        seed: decides every draw; it is drawn on the CPU, so that a device does not matter.

    Returns:
        (B, K), on the device of ``standardised``.
    """
    rows, objectives = standardised.shape
    random = torch.Generator().manual_seed(seed)
    hit = torch.randperm(rows, generator=random)[: round(settings.fraction * rows)]
    shift = torch.randint(1, objectives, (len(hit), objectives), generator=random)
    delta = settings.low + (settings.high - settings.low) * torch.rand(len(hit), objectives, generator=random)
    partner = (torch.arange(objectives) + shift) % objectives
    device = standardised.device
    hit, partner, delta = hit.to(device), partner.to(device), delta.to(standardised)
    found = standardised.clone()
    found[hit] -= delta * standardised[hit].gather(1, partner).sigmoid().nan_to_num()
    return found
