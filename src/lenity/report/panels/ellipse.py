"""Joint intervals of two means."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RADIUS = math.sqrt(
    -2 * math.log(0.05)
)  # of the 95 % ellipse of two normal variables: chi-squared with 2 degrees of freedom


def ellipse(mean: Array, covariance: Array, corners: int = 32) -> Array:
    """The closed outline of the region that holds 95 % of a normal distribution, (corners + 1, 2).

    Args:
        mean: (2,).
        covariance: of the mean, (2, 2); may be singular, which gives a line or a point.
        corners: of the outline.
    """
    values, vectors = np.linalg.eigh(covariance)
    turn = np.linspace(0, 2 * np.pi, corners + 1)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    outline: Array = mean + RADIUS * (circle * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return outline


def outlines(means: Array, covariances: Array, corners: int = 32) -> tuple[list[float | None], list[float | None]]:
    """Several ellipses as one trace, x and y, with a gap after each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for mean, covariance in zip(means, covariances, strict=True):
        outline = ellipse(mean, covariance, corners)
        x += [*map(_short, outline[:, 0]), None]
        y += [*map(_short, outline[:, 1]), None]
    return x, y


def _short(value: float) -> float:
    return float(f"{value:.4g}")
