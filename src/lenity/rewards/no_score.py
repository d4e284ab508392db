"""Missing scores, with the reason."""

from __future__ import annotations

import math
from typing import Any, Self

LARGEST = 3.4e38  # about the largest number of float32, in which training computes


class NoScore(float):
    """NaN with the reason why a response has no score.

    >>> NoScore("an empty response"), NoScore("an empty response").why
    (nan, 'an empty response')
    """

    why: str

    def __new__(cls, why: str) -> Self:
        """NaN with the reason ``why``."""
        score = super().__new__(cls, math.nan)
        score.why = why
        return score


def as_score(value: Any) -> float:
    """``value`` as a float; :class:`NoScore` if it is not a finite number.

    >>> as_score(1), as_score(None).why, as_score("2").why
    (1.0, 'None', "'2'")
    """
    if isinstance(value, NoScore):
        return value
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except Exception:  # users' objects may raise anything
        number = math.nan
    return number if abs(number) <= LARGEST else NoScore(repr(value)[:80])
