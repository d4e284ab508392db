"""Many means at once from the same resamples of prompts and seeds, those of :func:`lenity.pareto.confidence.bootstrap`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lenity.pareto.confidence import Interval

Array = NDArray[np.float64]


def resampled(scores: Array, draws: int = 1000, seed: int = 0) -> Array:
    """Means over prompts and seeds in each resample, (draws, F) from (seeds, prompts, F)."""
    seeds, prompts, _ = scores.shape
    shares, seed_shares = _shares(seeds, prompts, draws, seed)
    by_seed = np.tensordot(shares, scores, axes=(1, 1))  # (draws, seeds, F)
    found: Array = np.einsum("ds,dsf->df", seed_shares, by_seed)
    return found


def bounds(draws: Array) -> tuple[Array, Array]:
    """Ends of the 95 % intervals, (F,) each from (draws, F)."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return low, high


def intervals(scores: Array, draws: int = 1000) -> list[Interval]:
    """Means of (seeds, prompts, F) with their intervals, one for each of F."""
    low, high = bounds(resampled(scores, draws))
    return [Interval(*map(float, row)) for row in zip(scores.mean((0, 1)), low, high, strict=True)]


@lru_cache(maxsize=16)
def _shares(seeds: int, prompts: int, draws: int, seed: int) -> tuple[Array, Array]:
    """What each prompt and each seed counts, (draws, prompts) and (draws, seeds)."""
    rng = np.random.default_rng(seed)
    first = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=draws) / prompts
    return first, rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
