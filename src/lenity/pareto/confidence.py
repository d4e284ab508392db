"""Bootstrap 95 % intervals over prompts and seeds. All points and methods share each resample, so differences are paired."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lenity.errors import ProtocolError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; all NaN where it, or at least half of its resamples, is undefined."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "–"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean(values: ArrayLike, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of ``values`` (prompts,), with its interval."""
    array = _finite(values, 1)
    return _interval(float(array.mean()), _resampled(array, draws, seed))


def difference(after: ArrayLike, before: ArrayLike, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of ``after - before``, both (prompts,), paired by prompt, with its interval."""
    first, second = _finite(after, 1), _finite(before, 1)
    _same(first, second)
    return mean(first - second, draws, seed)


@dataclass(frozen=True)
class Estimates:
    """Estimates of F metrics, (F,), and their resamples, (draws, F)."""

    estimate: Array
    draws: Array

    def interval(self, metric: int) -> Interval:
        """The metric at index ``metric``, with its interval."""
        return _interval(float(self.estimate[metric]), self.draws[:, metric])

    def difference(self, first: int, second: int) -> Interval:
        """Metric ``first`` minus metric ``second``, paired by resample, with its interval."""
        value = float(self.estimate[first] - self.estimate[second])
        return _interval(value, self.draws[:, first] - self.draws[:, second])


def bootstrap(
    metrics: Callable[..., ArrayLike], fronts: Sequence[ArrayLike], draws: int = 1000, seed: int = 0
) -> Estimates:
    """Metrics of several paired fronts, averaged over seeds, with their resamples.

    Prompts are resampled, and seeds too where there are several; each resample is the same for all fronts.

    Args:
        metrics: function from the mean scores (points, K) of each front to F values, (F,).
        fronts: scores, ([seeds,] points, prompts, K) each, with the same prompts and seeds.
        draws: resamples.
        seed: of the resampling.
    """
    arrays = [_with_seeds(front) for front in fronts]
    if len({(array.shape[0], *array.shape[2:]) for array in arrays}) > 1:
        raise ProtocolError(
            f"fronts have shapes {[array.shape for array in arrays]}.", "Give fronts that share seeds, prompts and K."
        )
    seeds, _, prompts, _ = arrays[0].shape
    shares, seed_shares = _shares(seeds, prompts, draws, seed)
    means = [np.tensordot(shares, array, axes=(1, 2)) for array in arrays]  # (draws, seeds, points, K)
    drawn = [
        sum(
            seed_shares[d, s] * np.asarray(metrics(*(mean[d, s] for mean in means)))
            for s in np.flatnonzero(seed_shares[d])
        )
        for d in range(draws)
    ]
    estimate = np.mean([np.asarray(metrics(*(array[s].mean(1) for array in arrays))) for s in range(seeds)], axis=0)
    return Estimates(estimate, np.array(drawn))


def resampled(scores: Array, draws: int = 1000, seed: int = 0) -> Array:
    """Means of ``scores`` (seeds, prompts, F) over seeds and prompts in each resample, (draws, F); the resamples of :func:`bootstrap`."""
    seeds, prompts, _ = scores.shape
    shares, seed_shares = _shares(seeds, prompts, draws, seed)
    by_seed = np.tensordot(shares, scores, axes=(1, 1))  # (draws, seeds, F)
    means: Array = np.einsum("ds,dsf->df", seed_shares, by_seed)
    return means


def bounds(draws: Array) -> tuple[Array, Array]:
    """Ends of the 95 % intervals of resamples (draws, F), (F,) each."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return low, high


def intervals(scores: Array, draws: int = 1000) -> list[Interval]:
    """Means of ``scores`` (seeds, prompts, F) with their intervals, one per F."""
    low, high = bounds(resampled(scores, draws))
    return [Interval(*map(float, row)) for row in zip(scores.mean((0, 1)), low, high, strict=True)]


@lru_cache(maxsize=16)
def _shares(seeds: int, prompts: int, draws: int, seed: int) -> tuple[Array, Array]:
    """The weight of each prompt (draws, prompts) and of each seed (draws, seeds) in each resample."""
    rng = np.random.default_rng(seed)
    prompt_shares = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=draws) / prompts
    return prompt_shares, rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds


def _with_seeds(front: ArrayLike) -> Array:
    array = np.asarray(front, dtype=np.float64)
    return _finite(array[None] if array.ndim == 3 else array, 4)


def _resampled(array: Array, draws: int, seed: int) -> Array:
    """Means over ``draws`` resamples of the first axis, (draws, ...)."""
    n = array.shape[0]
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    result: Array = counts @ array.reshape(n, -1) / n
    return result.reshape(draws, *array.shape[1:])


def _interval(value: float, drawn: Array) -> Interval:
    defined = drawn[~np.isnan(drawn)]
    if math.isnan(value) or 2 * len(defined) <= len(drawn):
        return Interval(math.nan, math.nan, math.nan)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _finite(values: ArrayLike, ndim: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ProtocolError(f"scores have shape {array.shape}.", f"Give a non-empty array of {ndim} axes.")
    if not np.all(np.isfinite(array)):
        raise ProtocolError("scores contain NaN or infinity.", "Leave out rows without a score.")
    return array


def _same(first: Array, second: Array) -> None:
    if first.shape != second.shape:
        raise ProtocolError(
            f"after and before have shapes {first.shape} and {second.shape}.", "Give scores paired by prompt."
        )
