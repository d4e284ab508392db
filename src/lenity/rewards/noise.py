"""Reward noise for studies of robustness (PLC, arXiv 2604.05965, eq. 34): some scores are lowered, the more the higher another objective's score is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from lenity.config.sections import RewardNoise


def noisy(standardised: Float[Tensor, "B K"], settings: RewardNoise, seed: int) -> Float[Tensor, "B K"]:
    r"""The scores r_k - delta sigma(r_j) in a random ``fraction`` of the rows, delta ~ U(low, high), and r_k in the other rows.

    The paper does not define the partner j for K > 2: here j is drawn uniformly from the other objectives, per row and k, so that the
    order of objectives has no effect. delta is also drawn per row and k. Partners' scores are those without noise; a partner without
    a score lowers nothing.

    Args:
        standardised: r, of order 1, NaN where there is no score, (B, K), K > 1.
        settings: fraction, low and high.
        seed: seed of all draws, which are made on the CPU, so that they do not depend on the device.

    Returns:
        (B, K), on the device of ``standardised``.
    """
    rows, objectives = standardised.shape
    random = torch.Generator().manual_seed(seed)
    noisy_rows = torch.randperm(rows, generator=random)[: round(settings.fraction * rows)]
    shift = torch.randint(1, objectives, (len(noisy_rows), objectives), generator=random)
    delta = settings.low + (settings.high - settings.low) * torch.rand(len(noisy_rows), objectives, generator=random)
    partner = (torch.arange(objectives) + shift) % objectives
    device = standardised.device
    noisy_rows, partner, delta = noisy_rows.to(device), partner.to(device), delta.to(standardised)
    lowered = standardised.clone()
    lowered[noisy_rows] -= delta * standardised[noisy_rows].gather(1, partner).sigmoid().nan_to_num()
    return lowered
