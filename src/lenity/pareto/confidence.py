"""Bootstrap 95 % intervals over prompts and seeds. One resample serves all points and methods, so differences are paired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Hypervolume of the mean vectors of ``scores`` ([seeds,] points, prompts, K), mean over seeds."""
    return of_fronts(lambda points: hypervolume(points, reference), [scores], draws, seed)


def hypervolume_difference(
    first: ArrayLike, second: ArrayLike, reference: ArrayLike, draws: int = 1000, seed: int = 0
) -> Interval:
    """Hypervolume of ``first`` minus that of ``second``, each ([seeds,] points, prompts, K) on the same prompts."""
    return of_fronts(
        lambda one, two: hypervolume(one, reference) - hypervolume(two, reference), [first, second], draws, seed
    )


def of_fronts(value: Callable[..., float], fronts: Sequence[ArrayLike], draws: int = 1000, seed: int = 0) -> Interval:
    """A figure of one front or of several paired ones, mean over seeds.

    Prompts are resampled, and seeds too where there are several; each resample is the same for all fronts.

    Args:
        value: takes the mean vectors (points, K) of each front.
        fronts: scores, ([seeds,] points, prompts, K) each, with the same prompts and seeds.
        draws: resamples.
        seed: of the resampling.
    """
    arrays = [_with_seeds(front) for front in fronts]
    if len({array[:, 0].shape for array in arrays}) > 1:
        raise ProtocolError(f"fronts must share seeds, prompts and K; got {[array.shape for array in arrays]}")
    seeds, _, prompts, _ = arrays[0].shape
    rng = np.random.default_rng(seed)
    shares = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=draws) / prompts
    seed_shares = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    means = [np.tensordot(shares, array, axes=(1, 2)) for array in arrays]  # (draws, seeds, points, K)
    drawn = [
        sum(seed_shares[d, s] * value(*(mean[d, s] for mean in means)) for s in np.flatnonzero(seed_shares[d]))
        for d in range(draws)
    ]
    estimate = np.mean([value(*(array[s].mean(1) for array in arrays)) for s in range(seeds)])
    return _interval(float(estimate), np.array(drawn))


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
