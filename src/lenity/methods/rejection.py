"""Multi-objective rejection sampling (Rewards-in-Context, arXiv 2402.10207, section 3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def reaches_quantile(scores: ArrayLike, quantile: float) -> NDArray[np.bool_]:
    """Which rows are kept: those where any objective's score reaches that objective's quantile over the rows.

    Args:
        scores: (n, K).
        quantile: in [0, 1].

    Returns:
        (n,).

    >>> reaches_quantile([[0.0, 5.0], [1.0, 4.0], [2.0, 3.0]], 1.0).tolist()
    [True, False, True]
    """
    table = np.asarray(scores, dtype=np.float64)
    return np.asarray((table >= np.quantile(table, quantile, axis=0)).any(1), dtype=bool)
