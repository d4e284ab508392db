"""Metrics of a set of reward vectors (arXiv 2604.05965, eqs. 30-33), computed by moocore. All objectives are maximised."""

from __future__ import annotations

from typing import Any

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lenity.errors import ProtocolError

Array = NDArray[np.float64]


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Volume dominated by ``points`` (n, K) above ``reference`` (K,), eq. 30.

    Raises:
        ProtocolError: the set is empty, a value is not finite, or shapes do not match.
    """
    points = _set("points", points)
    return float(moocore.hypervolume(points, ref=_like(points, "reference", reference), maximise=True))


def igd(points: ArrayLike, front: ArrayLike) -> float:
    """Mean distance from each point of ``front`` (m, K) to the nearest of ``points`` (n, K), eq. 31."""
    points, front = _pair(points, front)
    return float(moocore.igd(points, front, maximise=True))


def igd_plus(points: ArrayLike, front: ArrayLike) -> float:
    """As :func:`igd`, with distances over only those coordinates where ``points`` fall short of ``front``."""
    points, front = _pair(points, front)
    return float(moocore.igd_plus(points, front, maximise=True))


def maximum_spread(points: ArrayLike) -> float:
    """Diagonal of the bounding box of ``points`` (n, K), dominated ones included, eq. 32."""
    points = _set("points", points)
    return float(np.sqrt(np.sum(np.ptp(points, axis=0) ** 2)))


def preference_compliance(weights: ArrayLike, points: ArrayLike) -> Array:
    """Cosine of each weight vector and reward vector, (n, K) and (n, K) -> (n,), eq. 33 before the mean.

    It depends on the origin: subtract the reference policy's mean from the rewards first.

    Raises:
        ProtocolError: a vector is zero and has no direction, or shapes do not match.
    """
    weights, points = _set("weights", weights), _set("points", points)
    if weights.shape != points.shape:
        raise ProtocolError(
            f"weights and points have shapes {weights.shape} and {points.shape}.", "Give both one shape (n, K)."
        )
    norms = np.linalg.norm(weights, axis=1) * np.linalg.norm(points, axis=1)
    if np.any(norms == 0):
        raise ProtocolError(
            f"row {int(np.argmin(norms))} of weights or points is zero, which has no direction.",
            "Leave the row out, or subtract another origin from the points.",
        )
    cosine: Array = np.sum(weights * points, axis=1) / norms
    return cosine


def nondominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Whether each of ``points`` (n, K) is dominated by no other, bool (n,). Equal points do not dominate each other."""
    result: NDArray[np.bool_] = np.asarray(
        moocore.is_nondominated(_set("points", points), maximise=True, keep_weakly=True), dtype=bool
    )
    return result


def _set(name: str, value: Any) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ProtocolError(f"the shape of {name} is {array.shape}.", "Give a non-empty array (n, K).")
    if not np.all(np.isfinite(array)):
        raise ProtocolError(
            f"{int(np.sum(~np.isfinite(array)))} values of {name} are not finite.", "Leave their rows out."
        )
    return array


def _like(points: Array, name: str, value: Any) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != points.shape[1:]:
        raise ProtocolError(
            f"the shape of {name} is {array.shape}, that of points {points.shape}.",
            f"Give {name} the shape ({points.shape[1]},).",
        )
    if not np.all(np.isfinite(array)):
        raise ProtocolError(f"{name} is not finite: {array.tolist()}.", "Give finite numbers.")
    return array


def _pair(points: Any, front: Any) -> tuple[Array, Array]:
    points, front = _set("points", points), _set("front", front)
    if points.shape[1] != front.shape[1]:
        raise ProtocolError(f"points and front have shapes {points.shape} and {front.shape}.", "Give both the same K.")
    return points, front
