"""A score that is missing, and why."""

from __future__ import annotations

import math
from typing import Any, Self

LARGEST = 3.4e38  # of what 32 bits hold, in which training computes


class NoScore(float):
    """NaN that says why a response has no score.

    >>> NoScore("an empty response"), NoScore("an empty response").why
    (nan, 'an empty response')
    """

    why: str

    def __new__(cls, why: str) -> Self:
        """NaN with its reason."""
        found = super().__new__(cls, math.nan)
        found.why = why
        return found


def as_score(value: Any) -> float:
    """``value`` as a float; :class:`NoScore` where it is not a finite number.

    >>> as_score(1), as_score(None).why, as_score("2").why
    (1.0, 'None', "'2'")
    """
    if isinstance(value, NoScore):
        return value
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except Exception:  # anyone's object
        number = math.nan
    return number if abs(number) <= LARGEST else NoScore(repr(value)[:80])
