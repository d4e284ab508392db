"""Bootstrap 95 % intervals over prompts. One resample serves all points and both methods, so differences are paired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lenity.errors import ProtocolError
from lenity.pareto.metrics import hypervolume

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference may be called one."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean(values: ArrayLike, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of ``values`` (prompts,)."""
    array = _finite(values, 1)
    return _interval(float(array.mean()), _resampled(array, draws, seed))


def difference(after: ArrayLike, before: ArrayLike, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of ``after - before``, both (prompts,), paired by prompt."""
    first, second = _finite(after, 1), _finite(before, 1)
    _same(first, second)
    return mean(first - second, draws, seed)


def front_hypervolume(scores: ArrayLike, reference: ArrayLike, draws: int = 1000, seed: int = 0) -> Interval:
    """Hypervolume of the mean vectors of ``scores`` (points, prompts, K)."""
    array = _finite(scores, 3)
    return _interval(hypervolume(array.mean(1), reference), _volumes(array, reference, draws, seed))


def hypervolume_difference(
    first: ArrayLike, second: ArrayLike, reference: ArrayLike, draws: int = 1000, seed: int = 0
) -> Interval:
    """Hypervolume of ``first`` minus that of ``second``, each (points, prompts, K) on the same prompts."""
    one, two = _finite(first, 3), _finite(second, 3)
    if one.shape[1:] != two.shape[1:]:
        raise ProtocolError(f"first and second must share prompts and K; got {one.shape} and {two.shape}")
    drawn = _volumes(one, reference, draws, seed) - _volumes(two, reference, draws, seed)
    return _interval(hypervolume(one.mean(1), reference) - hypervolume(two.mean(1), reference), drawn)


def _resampled(array: Array, draws: int, seed: int) -> Array:
    """Means over ``draws`` resamples of the first axis, (draws, ...)."""
    n = array.shape[0]
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    result: Array = counts @ array.reshape(n, -1) / n
    return result.reshape(draws, *array.shape[1:])


def _volumes(scores: Array, reference: ArrayLike, draws: int, seed: int) -> Array:
    means = _resampled(scores.swapaxes(0, 1), draws, seed)
    return np.array([hypervolume(points, reference) for points in means])


def _interval(value: float, drawn: Array) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _finite(values: ArrayLike, ndim: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ProtocolError(f"scores must be a non-empty array of {ndim} axes; got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ProtocolError("scores must be finite; found NaN or infinity")
    return array


def _same(first: Array, second: Array) -> None:
    if first.shape != second.shape:
        raise ProtocolError(f"after and before must be paired by prompt; got shapes {first.shape} and {second.shape}")
